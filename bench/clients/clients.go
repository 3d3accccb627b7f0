// Package clients plays the requests of SCIM clients other than Okta: Entra ID,
// Google, OneLogin, JumpCloud, Ping, CyberArk and two synchronisers. Each session is a
// file in sessions: requests as the client is documented or was recorded to send
// them, what it needs of the answers, and what AWS should hold in the end.
//
// A file is a txtar archive. Its sections are steps in order; a step is a request
// line, headers, an empty line and a body, then what is expected of the answer:
//
//	-- look for ada --
//	GET /Users?filter=userName+eq+%22ada%22
//
//	=> 200
//	totalResults is 0
//
// A line "NAME = path" keeps a value of the answer, which later steps write as
// {NAME}. A header with nothing behind its colon is sent empty. The last section,
// end, says what there is: "user NAME path=value …", "group NAME: member, member",
// and "nobody NAME" for whom and what there must not be.
//
// It knows no rule and no gateway.
package clients

import (
	"bufio"
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
	"golang.org/x/tools/txtar"
)

//go:embed sessions/*.txtar
var files embed.FS

// Session is what one client does, from its first request to its last.
type Session struct {
	Name  string // of the file
	About string
	steps []step
	end   []string
}

// step is one request and what the client needs of its answer.
type step struct {
	name    string
	request string // head lines
	body    string
	status  int
	lines   []string // captures and expectations
}

// State is what an identity store holds.
type State struct {
	Users  map[string]map[string]any // documents, by userName
	Groups map[string][]string       // userNames of members, by displayName
}

// Sessions are all sessions, by name.
func Sessions() ([]Session, error) {
	names, err := fs.Glob(files, "sessions/*.txtar")
	if err != nil {
		return nil, err
	}
	var all []Session
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		s, err := parse(strings.TrimSuffix(path.Base(name), ".txtar"), txtar.Parse(text))
		if err != nil {
			return nil, fmt.Errorf("cannot read session %s: %w", name, err)
		}
		all = append(all, s)
	}
	return all, nil
}

func parse(name string, archive *txtar.Archive) (Session, error) {
	s := Session{Name: name, About: strings.TrimSpace(string(archive.Comment))}
	for _, file := range archive.Files {
		text := string(file.Data)
		if file.Name == "end" {
			s.end = lines(text)
			continue
		}
		asked, answered, ok := strings.Cut(text, "\n=> ")
		if !ok {
			return s, fmt.Errorf("step %q expects no answer", file.Name)
		}
		head, body, _ := strings.Cut(asked, "\n\n")
		expected := lines(answered)
		status, err := strconv.Atoi(expected[0])
		if err != nil {
			return s, fmt.Errorf("step %q: %q is no status", file.Name, expected[0])
		}
		s.steps = append(s.steps, step{file.Name, strings.TrimSpace(head), strings.TrimSpace(body), status, expected[1:]})
	}
	if len(s.steps) == 0 || len(s.end) == 0 {
		return s, fmt.Errorf("it has no steps or no end")
	}
	return s, nil
}

func lines(text string) (list []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}

// Play sends the session's requests to a Base URL (http) over a socket, byte for byte
// as the client writes them, and returns what of the answers is not as it needs them.
func (s Session) Play(base, token string) (differences []string, err error) {
	to, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	kept := strings.NewReplacer()
	values := []string{}
	for _, one := range s.steps {
		status, body, err := send(to, token, one, kept)
		if err != nil {
			return differences, fmt.Errorf("cannot send %q: %w", one.name, err)
		}
		if status != one.status {
			differences = append(differences, fmt.Sprintf("%s: got %d %s, want %d", one.name, status, body, one.status))
		}
		for _, line := range one.lines {
			if name, where, ok := strings.Cut(line, " = "); ok {
				value := gjson.GetBytes(body, where)
				if value.String() == "" {
					differences = append(differences, fmt.Sprintf("%s: the answer has no %s: %s", one.name, where, body))
				}
				values = append(values, "{"+name+"}", value.String())
				kept = strings.NewReplacer(values...)
				continue
			}
			where, want, _ := strings.Cut(line, " is ")
			if got := gjson.GetBytes(body, where).String(); got != kept.Replace(want) {
				differences = append(differences, fmt.Sprintf("%s: got %q at %s, want %q", one.name, got, where, kept.Replace(want)))
			}
		}
	}
	return differences, nil
}

// maxAnswer bounds an answer.
const maxAnswer = 4 << 20

func send(to *url.URL, token string, one step, kept *strings.Replacer) (status int, body []byte, err error) {
	conn, err := net.Dial("tcp", to.Host)
	if err != nil {
		return 0, nil, err
	}
	defer conn.Close()
	head := lines(one.request)
	method, target, _ := strings.Cut(kept.Replace(head[0]), " ")
	document := kept.Replace(one.body)
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s %s%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nConnection: close\r\n", method, to.Path, target, to.Host, token)
	for _, header := range head[1:] {
		text.WriteString(header + "\r\n")
	}
	if document != "" {
		fmt.Fprintf(&text, "Content-Length: %d\r\n", len(document))
	}
	text.WriteString("\r\n" + document)
	if _, err := conn.Write(text.Bytes()); err != nil {
		return 0, nil, err
	}
	answer, err := io.ReadAll(io.LimitReader(bufio.NewReader(conn), maxAnswer))
	if err != nil {
		return 0, nil, err
	}
	headText, body, _ := bytes.Cut(answer, []byte("\r\n\r\n"))
	if len(headText) < len("HTTP/1.1 200") {
		return 0, nil, fmt.Errorf("the answer is %q", answer)
	}
	status, err = strconv.Atoi(string(headText[9:12]))
	return status, body, err
}

// Compare tells in what a store differs from what it should hold in the end.
func (s Session) Compare(state State) (differences []string) {
	differ := func(format string, args ...any) { differences = append(differences, fmt.Sprintf(format, args...)) }
	users, groups := 0, 0
	for _, line := range s.end {
		kind, rest, _ := strings.Cut(line, " ")
		switch kind {
		case "user":
			users++
			name, expected, _ := strings.Cut(rest, " ")
			doc, ok := state.Users[name]
			if !ok {
				differ("user %s is not there", name)
				continue
			}
			text, err := json.Marshal(doc)
			if err != nil {
				differ("user %s: %v", name, err)
			}
			for _, part := range strings.Split(expected, "; ") {
				if where, want, ok := strings.Cut(part, "="); ok && gjson.GetBytes(text, where).String() != want {
					differ("user %s: got %q at %s, want %q", name, gjson.GetBytes(text, where).String(), where, want)
				}
			}
		case "group":
			groups++
			name, members, _ := strings.Cut(rest, ":")
			got, ok := state.Groups[name]
			var want []string
			for _, member := range strings.Split(members, ",") {
				if member = strings.TrimSpace(member); member != "" {
					want = append(want, member)
				}
			}
			if slices.Sort(want); !ok || !slices.Equal(slices.Sorted(slices.Values(got)), want) {
				differ("group %s: got %v (there: %v), want %v", name, got, ok, want)
			}
		case "nobody":
			if _, ok := state.Users[rest]; ok {
				differ("user %s is still there", rest)
			}
			if _, ok := state.Groups[rest]; ok {
				differ("group %s is still there", rest)
			}
		default:
			differ("the line %q says nothing", line)
		}
	}
	if users != len(state.Users) || groups != len(state.Groups) {
		differ("got %d users and %d groups, want %d and %d", len(state.Users), len(state.Groups), users, groups)
	}
	return differences
}

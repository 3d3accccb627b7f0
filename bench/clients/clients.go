// Package clients plays the requests of SCIM clients: Okta in both dialects, Entra ID,
// Google, OneLogin, JumpCloud, Ping, CyberArk and two synchronisers. Each session is a
// file in sessions: requests as the client is documented or was recorded to send
// them, what it needs of the answers, and what AWS should hold in the end. Its comment
// says where the forms come from.
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
// {NAME}. "=> lost" is an answer that never reaches the client. A header with nothing
// behind its colon is sent empty. The section head holds headers of every request that
// has no other of that name, a Content-Type only of those with a body. What follows the
// Base URL is written as the client joins it, also without a slash.
//
// The section end says what there is, with {NAME} as well: "user NAME path=value; …",
// "group NAME: member, member", and "nobody NAME" for whom and what there must not be. It
// is the same whatever AWS does in points that no document settles. An answer on the way
// may be another then, and is not looked at: "unless SWITCH=POSITION" in its step, further
// ones behind commas.
//
// Where there are hundreds, a step or a line of an end that begins with "(1-250)" is
// there for each number, which it writes as $n, and <<1-100 …>> is its inside for each
// number, with commas between.
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
	"regexp"
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
	kept  *strings.Replacer // values of answers, once it was played
	under string            // position of a switch, as "SWITCH=POSITION", or ""
}

// step is one request and what the client needs of its answer.
type step struct {
	name    string
	request string // head lines
	body    string
	status  int      // 0: the answer is lost
	lines   []string // captures and expectations
	unless  []string // positions under which nothing is expected
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
	var common []string
	for _, file := range archive.Files {
		switch file.Name {
		case "head":
			common = lines(string(file.Data))
		case "end":
			s.end = repeated(lines(string(file.Data))...)
		default:
			for _, text := range repeated(file.Name + "\n" + string(file.Data)) {
				one, err := parseStep(text, common)
				if err != nil {
					return s, err
				}
				s.steps = append(s.steps, one)
			}
		}
	}
	if len(s.steps) == 0 || len(s.end) == 0 {
		return s, fmt.Errorf("it has no steps or no end")
	}
	return s, nil
}

// parseStep reads the name of a step, its request and what is expected.
func parseStep(text string, common []string) (step, error) {
	name, text, _ := strings.Cut(text, "\n")
	asked, answered, ok := strings.Cut(text, "\n=> ")
	if !ok {
		return step{}, fmt.Errorf("step %q expects no answer", name)
	}
	head, body, _ := strings.Cut(asked, "\n\n")
	one := step{name: name, request: strings.TrimSpace(head), body: strings.TrimSpace(body)}
	for _, header := range common {
		field, _, _ := strings.Cut(header, ":")
		if own := strings.Contains(one.request, "\n"+field+":"); !own && (one.body != "" || field != "Content-Type") {
			one.request += "\n" + header
		}
	}
	expected := lines(answered)
	for _, line := range expected[1:] {
		if positions, ok := strings.CutPrefix(line, "unless "); ok {
			one.unless = strings.Split(positions, ", ")
			continue
		}
		one.lines = append(one.lines, line)
	}
	if expected[0] == "lost" {
		return one, nil
	}
	var err error
	if one.status, err = strconv.Atoi(expected[0]); err != nil {
		return step{}, fmt.Errorf("step %q: %q is no status", name, expected[0])
	}
	return one, nil
}

var (
	forEach = regexp.MustCompile(`^\((\d+)-(\d+)\) `)
	list    = regexp.MustCompile(`<<(\d+)-(\d+) (.*?)>>`)
)

// repeated are texts with the lists in them written out, and those for each number of a
// range.
func repeated(texts ...string) (all []string) {
	for _, text := range texts {
		text = list.ReplaceAllStringFunc(text, func(found string) string {
			m := list.FindStringSubmatch(found)
			return strings.Join(numbered(m[1], m[2], m[3]), ",")
		})
		if m := forEach.FindStringSubmatch(text); m != nil {
			all = append(all, numbered(m[1], m[2], text[len(m[0]):])...)
			continue
		}
		all = append(all, text)
	}
	return all
}

func numbered(from, to, text string) (all []string) {
	first, _ := strconv.Atoi(from) // the expression has seen that they are numbers
	last, _ := strconv.Atoi(to)
	for n := first; n <= last; n++ {
		all = append(all, strings.ReplaceAll(text, "$n", strconv.Itoa(n)))
	}
	return all
}

// Requests is how many there are.
func (s Session) Requests() int { return len(s.steps) }

// Expects tells whether an answer is to have this status.
func (s Session) Expects(status int) bool {
	return slices.ContainsFunc(s.steps, func(one step) bool { return one.status == status })
}

// Positions are those of switches, as "SWITCH=POSITION", under which an answer may be
// another.
func (s Session) Positions() (all []string) {
	for _, one := range s.steps {
		all = append(all, one.unless...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Under is the session under a position of a switch.
func (s Session) Under(position string) Session {
	s.under = position
	return s
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
func (s *Session) Play(base, token string) (differences []string, err error) {
	to, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	s.kept = strings.NewReplacer()
	values := []string{}
	for _, one := range s.steps {
		status, body, err := send(to, token, one, s.kept)
		if err != nil {
			return differences, fmt.Errorf("cannot send %q: %w", one.name, err)
		}
		if one.status == 0 || slices.Contains(one.unless, s.under) {
			continue
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
				s.kept = strings.NewReplacer(values...)
				continue
			}
			where, want, _ := strings.Cut(line, " is ")
			if got := gjson.GetBytes(body, where).String(); got != s.kept.Replace(want) {
				differences = append(differences, fmt.Sprintf("%s: got %q at %s, want %q", one.name, got, where, s.kept.Replace(want)))
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

// Compare tells in what a store differs from what it should hold in the end, once the
// session was played.
func (s *Session) Compare(state State) (differences []string) {
	differ := func(format string, args ...any) { differences = append(differences, fmt.Sprintf(format, args...)) }
	users, groups := 0, 0
	for _, line := range s.end {
		if s.kept != nil {
			line = s.kept.Replace(line)
		}
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

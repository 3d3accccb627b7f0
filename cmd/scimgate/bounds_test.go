package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/configs"
	"github.com/scimgate/scimgate/proxy"
)

// bound is a row of the table in proxy/BOUNDS.md.
type bound struct {
	what, figure, setting, constant string
	shown                           []string // names of tests
}

func boundsTable(t *testing.T) (rows []bound) {
	t.Helper()
	for line := range strings.Lines(readFile(t, filepath.Join("..", "..", "proxy", "BOUNDS.md"))) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 6 || strings.Contains(cells[0], "---") {
			continue
		}
		for i := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cells[i]), "`")
		}
		if cells[5] != "Shown by" {
			rows = append(rows, bound{cells[0], cells[1], cells[2], cells[3], strings.Split(cells[5], ", ")})
		}
	}
	return rows
}

// quantity reads a figure as the settings write it, bytes and nanoseconds: "16MiB", "20s",
// "0.05"; what stands behind a semicolon is left out.
func quantity(figure string) (n float64, ok bool) {
	figure, _, _ = strings.Cut(figure, ";")
	for suffix, unit := range map[string]float64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if number, cut := strings.CutSuffix(figure, suffix); cut {
			n, err := strconv.ParseFloat(number, 64)
			return n * unit, err == nil
		}
	}
	if d, err := time.ParseDuration(figure); err == nil && figure != "0" {
		return float64(d), true
	}
	n, err := strconv.ParseFloat(figure, 64)
	return n, err == nil
}

// notBounds are numbers and times that bound nothing, or that another row has.
var notBounds = map[string]string{
	"client.retry_status": "a status", "guard.group_deletes.share": "unused",
	"audit.jumpedBack": "a step of the clock that is told", "audit.keySize": "the least",
	"audit.markEvery": "default of audit.checkpoint_every", "audit.reserveBytes": "default of audit.reserve",
	"audit.rotateAge": "default of audit.rotate_age", "audit.rotateSize": "default of audit.rotate_size",
	"main.around": "a line of output", "main.demoGroups": "the demo", "main.demoLargest": "the demo", "main.demoPeople": "the demo", "main.demoSeed": "the demo",
	"main.exitAudit": "an exit code", "main.exitClean": "an exit code", "main.exitFindings": "an exit code", "main.exitOurs": "an exit code",
	"main.exitUpstream": "an exit code", "main.exitUsage": "an exit code",
	"export.recordExtra": "what a record takes beside its texts",
	"proxy.maskWindow":   "the least", "rules.wholeValue": "an index",
	"scim.hashPrime": "a hash", "scim.hashSeed": "a hash", "scim.ones": "bits", "scim.tops": "bits",
}

// constants are those of the gateway's packages whose value is written there, by name.
func constants(t *testing.T) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	take := func(name string, expression ast.Expr, text []byte) {
		source := string(text[expression.Pos()-1 : expression.End()-1])
		for unit, d := range map[string]time.Duration{"Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour} {
			source = strings.ReplaceAll(source, "time."+unit, strconv.Itoa(int(d)))
		}
		value, err := types.Eval(token.NewFileSet(), nil, token.NoPos, source)
		all[name] = math.NaN() // not a number on its own
		if err == nil && value.Value != nil && (value.Value.Kind() == constant.Int || value.Value.Kind() == constant.Float) {
			all[name], _ = constant.Float64Val(value.Value)
		}
	}
	for _, root := range []string{"cmd/scimgate", "proxy", "rules"} {
		err := filepath.WalkDir(filepath.Join("..", "..", root), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(filepath.ToSlash(path), "rules/aws/") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, text, 0)
			if err != nil {
				return err
			}
			for _, decl := range file.Decls {
				if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.CONST {
					for _, spec := range g.Specs {
						v := spec.(*ast.ValueSpec)
						for i := range v.Values {
							take(file.Name.Name+"."+v.Names[i].Name, v.Values[i], text)
						}
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// The table of bounds is whole and true: each constant and each setting that is a number or
// a time is in it, with the figure that it has, and with tests that exist, unless it is
// known to bound nothing. So is the figure of the memory.
func TestBoundsAreDocumented(t *testing.T) {
	rows, tests, values := boundsTable(t), testsOf(t), constants(t)
	settings := map[string]string{} // → default
	for _, k := range configs.Keys() {
		settings[k.Name] = k.Default
	}
	named := map[string]int{}
	for _, row := range rows {
		for _, name := range row.shown {
			if !tests[name] {
				t.Errorf("%s is shown by %q, which does not exist", row.what, name)
			}
		}
		if row.setting != "" {
			if was, is := settings[row.setting]; !is || was != row.figure {
				t.Errorf("%s has the figure %q, want %q, the default of %s (a setting: %v)", row.what, row.figure, was, row.setting, is)
			}
			named[row.setting]++
		}
		if row.constant != "" {
			figure, _ := quantity(row.figure)
			if value, is := values[row.constant]; !is || value != figure {
				t.Errorf("%s has the figure %q, want that of %s, %v (a constant: %v)", row.what, row.figure, row.constant, value, is)
			}
			named[row.constant]++
		}
	}
	wanted := map[string]bool{}
	for name, value := range values {
		wanted[name] = !math.IsNaN(value)
	}
	for name, figure := range settings {
		_, wanted[name] = quantity(figure)
	}
	for name := range wanted {
		switch {
		case wanted[name] && notBounds[name] == "" && named[name] != 1:
			t.Errorf("%s is in %d rows of proxy/BOUNDS.md, want one", name, named[name])
		case notBounds[name] != "" && named[name] > 0:
			t.Errorf("%s is in proxy/BOUNDS.md, and known to bound nothing: %s", name, notBounds[name])
		}
	}
	for name := range notBounds {
		if !wanted[name] {
			t.Errorf("%s is no number or time any more", name)
		}
	}
	if stated := fmt.Sprintf("**%d MiB**", statedMemory>>20); !strings.Contains(readFile(t, filepath.Join("..", "..", "proxy", "BOUNDS.md")), stated) {
		t.Errorf("proxy/BOUNDS.md doesn't state %s", stated)
	}
	if len(rows) < 100 {
		t.Errorf("got %d rows", len(rows))
	}
}

// testsOf are the names of all tests and fuzz targets.
func testsOf(t *testing.T) map[string]bool {
	t.Helper()
	names, function := map[string]bool{}, regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, match := range function.FindAllSubmatch(text, -1) {
			names[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// A body in chunks is bounded as one of a known length is.
func TestChunkedBodiesAreBounded(t *testing.T) {
	c := playKnown(t, stage{settings: func(s *proxy.Settings) { s.Listen.MaxBodyBytes = 1 << 20 }})
	before := len(c.aws.Journal())
	chunk := "10000\r\n" + strings.Repeat(" ", 0x10000) + "\r\n"
	for n, status := range map[int]int{15: 400, 17: 413} { // a document of blanks is none
		text := "POST /scim/v2/Users HTTP/1.1\r\n" + soundHead + "Content-Type: application/scim+json\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat(chunk, n) + "0\r\n\r\n"
		answers, _ := c.utter(t, text, 1<<30, false)
		if len(answers) != 1 || answers[0].status != status || !answers[0].last {
			t.Errorf("got %v for %d chunks of 64 KiB, want %d and the connection closed", answers, n, status)
		}
	}
	if len(c.aws.Journal()) != before {
		t.Error("AWS is asked all the same")
	}
}

// What comes too slowly is cut off in words that a SCIM client reads.
func TestSlowRequestsAreCutOff(t *testing.T) {
	c := play(t, stage{settings: func(s *proxy.Settings) {
		s.Listen.ReadTimeout, s.Listen.IdleTimeout = 200*time.Millisecond, 200*time.Millisecond
	}})
	f := func(text string, statuses ...int) {
		t.Helper()
		answers, _ := c.utter(t, text, 1<<30, false)
		if got := statusesOf(answers); !slices.Equal(got, statuses) {
			t.Errorf("got %v for %q, want %v and the connection closed", answers, text, statuses)
		}
	}
	head := "/scim/v2/Users?count=1 HTTP/1.1\r\n" + soundHead
	f("")
	f("GET "+head, 408)
	f("POST "+head+"Content-Type: application/scim+json\r\nContent-Length: 100\r\n\r\n{", 408)
	f("POST "+head+"Content-Type: application/scim+json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{", 408)
	f("GET "+head+"\r\n", 200)
	f("GET "+head+"\r\nGET "+head, 200, 408)
}

// A client is answered within its patience, whatever AWS does.
func TestPatienceIsABound(t *testing.T) {
	c := play(t, stage{settings: func(s *proxy.Settings) { s.Client.Patience = 300 * time.Millisecond }})
	hold := make(chan struct{})
	defer close(hold)
	for _, op := range []standin.Operation{standin.ListUsers, standin.CreateUser, standin.CreateGroup} {
		c.aws.Inject(standin.Fault{Operation: op, Act: standin.Pass, Hold: hold, Times: 9})
	}
	c.through(429, "GET", "/Users?count=1", "")
	c.through(429, "POST", "/Users", `{`+soundUser+`}`)
	r := c.through(429, "POST", "/Groups", `{"displayName":"Engineers"}`)
	if after := r.header.Get("Retry-After"); after != "10" {
		t.Errorf("got %q, want to be told when to come for what goes on", after)
	}
}

// A call is tried three times, and no more.
func TestTriesAreBounded(t *testing.T) {
	c := play(t, stage{})
	c.aws.Inject(standin.Fault{Operation: standin.ListUsers, Act: standin.Refuse, Status: 503, Times: 9})
	c.through(429, "GET", "/Users?count=1", "")
	if n := len(c.aws.Journal()); n != 3 {
		t.Errorf("got %d calls, want 3", n)
	}
}

// A client's own id of an exchange is echoed up to a bound, and left out beyond.
func TestRequestIDsAreBounded(t *testing.T) {
	c := playKnown(t, stage{})
	for size, echoed := range map[int]bool{128: true, 129: false} {
		id := strings.Repeat("a", size)
		answers, _ := c.utter(t, "GET /scim/v2/Users?count=1 HTTP/1.1\r\n"+soundHead+"X-Request-Id: "+id+"\r\nConnection: close\r\n\r\n", 1<<30, false)
		if len(answers) != 1 || (answers[0].header.Get("X-Request-Id") == id) != echoed {
			t.Errorf("got %v for an id of %d bytes, want it echoed %v", answers[0].header, size, echoed)
		}
	}
}

// Of attributes that AWS lists and the gateway leaves out, so many are named.
func TestDriftIsBounded(t *testing.T) {
	c := play(t, stage{settings: func(s *proxy.Settings) { s.Schemas = time.Nanosecond }})
	var attributes []string
	for n := range 100 {
		attributes = append(attributes, fmt.Sprintf(`{"name":"photos%d"},{"name":"unheard%d"}`, n, n))
	}
	body := `{"Resources":[{"id":"urn:ietf:params:scim:schemas:core:2.0:User","attributes":[{"name":"photos"},{"name":"ims"},` + strings.Join(attributes, ",") + `]}]}`
	c.aws.Inject(standin.Fault{Operation: standin.ListSchemas, Act: standin.Reply, Status: 200, Body: body})
	c.through(200, "GET", "/Schemas", "")
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	told := regexp.MustCompile(`"attributes":\[([^\]]*)\]`).FindStringSubmatch(c.log.String())
	if told == nil || strings.Count(told[1], ",")+1 != 64 {
		t.Errorf("got %v, want 64 named", told)
	}
}

// The garbage collector has a limit, unless the environment says another.
func TestMemoryLimitIsSet(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	for environment, want := range map[string]int64{"": memoryAim(memlimit.FromCgroup()), "1GiB": 1 << 30} {
		t.Setenv("GOMEMLIMIT", environment)
		debug.SetMemoryLimit(1 << 30)
		if confine(); debug.SetMemoryLimit(-1) != want {
			t.Errorf("got %d with GOMEMLIMIT=%s, want %d", debug.SetMemoryLimit(-1), environment, want)
		}
	}
}

// In a small container it begins to work harder before that is full.
func TestMemoryLimitOfAContainer(t *testing.T) {
	for _, c := range []struct {
		container uint64
		err       error
		want      int64
	}{
		{err: memlimit.ErrNoLimit, want: 384 << 20},
		{container: math.MaxUint64, want: 384 << 20},
		{container: 1 << 30, want: 384 << 20},
		{container: 250 << 20, want: 225 << 20},
	} {
		if got := memoryAim(c.container, c.err); got != c.want {
			t.Errorf("got %d in a container of %d (%v), want %d", got, c.container, c.err, c.want)
		}
	}
}

// An answer of something that is no gateway has an end for the commands that ask.
func TestAnswersToCommandsAreBounded(t *testing.T) {
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, part := range []string{"[", strings.Repeat(" ", 32<<20), "]"} {
			if _, err := io.WriteString(w, part); err != nil {
				return // the command has gone
			}
		}
	}))
	defer listener.Close()
	var out, errs strings.Builder
	code := run([]string{"leavers", "--admin", strings.TrimPrefix(listener.URL, "http://")}, strings.NewReader(""), &out, &errs)
	if code != exitUsage || !strings.Contains(errs.String(), "cannot read the answer") {
		t.Errorf("got %d %s for an answer that is too long", code, errs.String())
	}
}

// A flood of writes with tokens that nobody knows doesn't fill the log.
func TestFloodsOfWritesAreBounded(t *testing.T) {
	c := play(t, stage{})
	right := c.token
	c.token = "a-guess"
	for range 400 {
		c.send(c.gateway, "POST", "/Users", `{`+soundUser+`}`)
	}
	c.token = right
	records, omitted := c.records(), 0
	for _, r := range records {
		if r["event"] == "dropped" {
			omitted++
		}
	}
	if len(records) > 300 || omitted == 0 {
		t.Errorf("got %d records with %d gaps, want a flood in few", len(records), omitted)
	}
}

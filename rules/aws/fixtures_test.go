package aws

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

var update = flag.Bool("update", false, "write the sections repaired and reply anew")

// fixture is one file of testdata: whole requests around one rule. Its sections:
//
//	bad       a request that breaks this rule and no other
//	good      the smallest change of bad that doesn't
//	settings  the setting under which the rule is tried, if it isn't the default: roles
//	current   the resource as AWS has it, where a repair reads it
//	aws       what AWS answers to bad: the status, then the detail
//	repaired  what is forwarded for bad; none: only a person can mend it, or it is
//	          forwarded as it is with a warning
//	reply     what the client is answered under the strict policy, if it is refused
//
// A request is a request line, headers up to an empty line, and a body. Without
// any header the head is not judged.
type fixture struct {
	name    string
	archive *txtar.Archive
}

func (f fixture) id() string { return f.name[:5] }

func (f fixture) section(name string) []byte {
	for _, file := range f.archive.Files {
		if file.Name == name {
			return bytes.TrimSuffix(file.Data, []byte("\n"))
		}
	}
	return nil
}

func (f fixture) put(name string, text []byte) {
	f.archive.Files = slices.DeleteFunc(f.archive.Files, func(file txtar.File) bool { return file.Name == name })
	if text != nil {
		f.archive.Files = append(f.archive.Files, txtar.File{Name: name, Data: append(text, '\n')})
	}
}

func fixtures(t *testing.T) []fixture {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("cannot find fixtures: %v", err)
	}
	var all []fixture
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fixture{filepath.Base(path), archive})
	}
	return all
}

func parseRequest(text []byte) rules.Request {
	head, body, _ := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	var r rules.Request
	r.Method, r.Target, _ = strings.Cut(lines[0], " ")
	for _, line := range lines[1:] {
		if name, value, ok := strings.Cut(line, ":"); ok {
			r.Head = append(r.Head, rules.Header{Name: name, Value: strings.TrimSpace(value)})
		}
	}
	r.Body = body
	return r
}

// printRequest is a request as it is forwarded.
func printRequest(r rules.Request) []byte {
	text := []byte(r.Method + " " + r.Target + "\n")
	for _, h := range r.Head {
		text = fmt.Appendf(text, "%s: %s\n", h.Name, h.Value)
	}
	if len(r.Body) > 0 {
		text = append(append(text, '\n'), r.Body...)
	}
	return text
}

func TestFixtures(t *testing.T) {
	off := defaultOff(set(t, Settings{}))
	for _, f := range fixtures(t) {
		t.Run(f.id(), func(t *testing.T) {
			settings := Settings{Roles: string(f.section("settings")) == "roles"}
			if off[f.id()] { // it is tried as a setting would have it
				settings.Dispositions = map[string]rules.Disposition{f.id(): rules.Warn}
			}
			lenient := set(t, settings)
			settings.Policy = rules.StrictPolicy
			strict := set(t, settings)
			current := f.section("current")
			bad := parseRequest(f.section("bad"))
			target, v := lenient.Inspect(bad, current)
			if got := fired(v); len(got) != 1 || got[0] != f.id() {
				t.Errorf("bad: got %v, want %s and no other", got, f.id())
			}
			silent(t, "good", lenient, f.section("good"), current)

			var repaired []byte
			warned := slices.ContainsFunc(v.Findings, func(f rules.Finding) bool { return f.Disposition == rules.Warn }) // and forwarded as it is
			if !v.Rejects() && target.Operation != 0 && !warned {
				repaired = printRequest(rules.Forwarded(bad, target, v))
				silent(t, "repaired", lenient, repaired, current)
			}
			var reply []byte
			if _, v := strict.Inspect(bad, current); v.Rejects() {
				status, scimType := v.Findings[0].Reply()
				reply = fmt.Appendf(nil, "%d %s\n%s", status, scimType, rules.Detail(v.Findings))
			}
			if *update {
				f.put("repaired", repaired)
				f.put("reply", reply)
				if err := os.WriteFile("testdata/"+f.name, txtar.Format(f.archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := f.section("repaired"); !bytes.Equal(bytes.TrimSuffix(repaired, []byte("\n")), bytes.TrimSuffix(want, []byte("\n"))) {
				t.Errorf("repaired: got\n%s\nwant\n%s", repaired, want)
			}
			if want := f.section("reply"); !bytes.Equal(reply, want) {
				t.Errorf("reply: got\n%s\nwant\n%s", reply, want)
			}
		})
	}
}

func set(t testing.TB, settings Settings) *rules.Set {
	t.Helper()
	s, err := New(settings)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// defaultOff are the rules that a setting has to turn on.
func defaultOff(s *rules.Set) map[string]bool {
	off := map[string]bool{}
	for r, d := range s.Rules {
		off[r.ID] = d == rules.Off
	}
	return off
}

func fired(v rules.Verdict) (ids []string) {
	for _, f := range v.Findings {
		if !slices.Contains(ids, f.ID) {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

func silent(t *testing.T, what string, s *rules.Set, text, current []byte) {
	t.Helper()
	r := parseRequest(text)
	if _, v := s.Inspect(r, current); len(v.Findings) > 0 {
		t.Errorf("%s: got %v, want nothing found in\n%s", what, v.IDs(), text)
	}
}

// Each rule has a fixture of its own, and each fixture a rule.
func TestEveryRuleHasAFixture(t *testing.T) {
	ids := map[string]int{}
	for _, f := range fixtures(t) {
		ids[f.id()]++
	}
	for r := range set(t, Settings{}).Rules {
		if ids[r.ID] == 0 && r.ID < "SG8" && r.ID != "SG137" { // what AWS answers and guards hold isn't in a request; tokens are known to the gateway alone
			t.Errorf("rule %s has no file in testdata", r.ID)
		}
		delete(ids, r.ID)
	}
	for id := range ids {
		t.Errorf("testdata has a file for %s, which is no rule", id)
	}
}

// A clean document is judged without an allocation and forwarded as it is.
func TestCleanDocumentIsForwardedByteForByte(t *testing.T) {
	body := []byte(cleanCreate)
	v := set(t, Settings{}).Judge(scim.Target{Operation: scim.CreateUser}, body, nil)
	if len(v.Findings) > 0 {
		t.Fatalf("got %v, want nothing found", v.IDs())
	}
	if &v.Document[0] != &body[0] || len(v.Document) != len(body) {
		t.Error("got another document, want the very bytes")
	}
}

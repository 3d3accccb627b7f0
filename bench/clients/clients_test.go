package clients

import (
	"fmt"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

func TestSessionsCanBeRead(t *testing.T) {
	all, err := Sessions()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if !strings.Contains(s.About, ".") || s.Requests() < 4 {
			t.Errorf("session %s says nothing about itself or has %d requests", s.Name, s.Requests())
		}
	}
	for _, text := range []string{"", "-- a --\nGET /Users\n", "-- a --\nGET /Users\n\n=> many\n-- end --\nuser a\n", "-- a --\nGET /Users\n\n=> 200\n"} {
		if _, err := parse("x", txtar.Parse([]byte(text))); err == nil {
			t.Errorf("%q is taken for a session", text)
		}
	}
}

// What is written once and stands for much.
func TestSessionsAreWrittenOut(t *testing.T) {
	s, err := parse("x", txtar.Parse([]byte(`-- head --
User-Agent: x
Content-Type: a
-- (1-3) make $n --
POST /Users

{"userName":"p$n","members":[<<1-2 {"value":"{m$n}"}>>]}
=> 201
p$n = id
-- look --
GET Users
User-Agent: y

=> 200
totalResults is 3
unless a=1, b=2
-- lose --
GET /Users

=> lost
-- end --
(1-2) user p$n active=true
group G: <<1-3 p$n>>
`)))
	if err != nil {
		t.Fatal(err)
	}
	want := []step{
		{"make 1", "POST /Users\nUser-Agent: x\nContent-Type: a", `{"userName":"p1","members":[{"value":"{m1}"},{"value":"{m2}"}]}`, 201, []string{"p1 = id"}, nil},
		{"make 2", "POST /Users\nUser-Agent: x\nContent-Type: a", `{"userName":"p2","members":[{"value":"{m1}"},{"value":"{m2}"}]}`, 201, []string{"p2 = id"}, nil},
		{"make 3", "POST /Users\nUser-Agent: x\nContent-Type: a", `{"userName":"p3","members":[{"value":"{m1}"},{"value":"{m2}"}]}`, 201, []string{"p3 = id"}, nil},
		{"look", "GET Users\nUser-Agent: y", "", 200, []string{"totalResults is 3"}, []string{"a=1", "b=2"}},
		{"lose", "GET /Users\nUser-Agent: x", "", 0, nil, nil},
	}
	if !reflect.DeepEqual(s.steps, want) {
		t.Errorf("got %+v, want %+v", s.steps, want)
	}
	if got := fmt.Sprint(s.Requests(), s.Expects(201), s.Expects(409), s.Positions(), s.end); got !=
		"5 true false [a=1 b=2] [user p1 active=true user p2 active=true group G: p1,p2,p3]" {
		t.Errorf("got %s", got)
	}
}

// Answers that are not as the client needs them are told, but where an exception holds.
func TestPlayTellsWhatIsWrong(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/scim/v2Users" || r.Header.Get("Authorization") != "Bearer token" || r.Header.Values("User-Agent")[0] != "" {
			t.Errorf("got %s %v", r.URL.Path, r.Header)
		}
		fmt.Fprint(w, `{"id":"7","totalResults":1}`)
	})}
	served := make(chan error)
	go func() { served <- server.Serve(l) }()
	f := func(under string, want int, expected string) {
		t.Helper()
		s, err := parse("x", txtar.Parse([]byte("-- a --\nGET Users\nUser-Agent:\n\n=> "+expected+"-- end --\nuser {A} x=1\n")))
		if err != nil {
			t.Fatal(err)
		}
		s = s.Under(under)
		got, err := s.Play("http://"+l.Addr().String()+"/scim/v2", "token")
		if err != nil || len(got) != want {
			t.Errorf("%q: got %q %v, want %d differences", expected, got, err, want)
		}
		if want == 0 && under == "" && len(s.Compare(State{Users: map[string]map[string]any{"7": {"x": 1}}})) > 0 {
			t.Errorf("%q: what was kept is not compared", expected)
		}
	}
	f("", 0, "200\nA = id\ntotalResults is 1\n")
	f("", 1, "201\nA = id\n")
	f("", 1, "200\nA = id\ntotalResults is 2\n")
	f("", 1, "200\nA = name\n")
	f("a=1", 0, "201\nA = id\nunless a=1\n")
	f("a=2", 1, "201\nA = id\nunless a=1\n")
	f("x=1", 0, "lost\n")
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	<-served
}

func TestCompareSeesEveryDifference(t *testing.T) {
	s, err := parse("x", txtar.Parse([]byte("-- a --\nGET /Users\n\n=> 200\n-- end --\nuser ada title=Countess; active=true\ngroup Engines: ada\nnobody bob\n")))
	if err != nil {
		t.Fatal(err)
	}
	user := func(title string, active bool) map[string]any {
		return map[string]any{"title": title, "active": active}
	}
	f := func(want int, users map[string]map[string]any, groups map[string][]string) {
		t.Helper()
		if got := s.Compare(State{users, groups}); len(got) != want {
			t.Errorf("got %q, want %d differences", got, want)
		}
	}
	engines := map[string][]string{"Engines": {"ada"}}
	f(0, map[string]map[string]any{"ada": user("Countess", true)}, engines)
	f(1, map[string]map[string]any{"ada": user("Duke", true)}, engines)
	f(1, map[string]map[string]any{"ada": user("Countess", false)}, engines)
	f(2, nil, engines)
	f(2, map[string]map[string]any{"ada": user("Countess", true), "bob": nil}, engines)
	f(1, map[string]map[string]any{"ada": user("Countess", true)}, map[string][]string{"Engines": nil})
	f(1, map[string]map[string]any{"ada": user("Countess", true)}, map[string][]string{"Engines": {"ada", "bob"}})
	f(1, map[string]map[string]any{"ada": user("Countess", true)}, map[string][]string{"Engines": {"ada"}, "Writers": nil})
}

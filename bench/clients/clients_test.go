package clients

import (
	"testing"

	"golang.org/x/tools/txtar"
)

func TestSessionsCanBeRead(t *testing.T) {
	all, err := Sessions()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if s.About == "" || len(s.steps) < 4 {
			t.Errorf("session %s says nothing about itself or has %d steps", s.Name, len(s.steps))
		}
	}
	for _, text := range []string{"", "-- a --\nGET /Users\n", "-- a --\nGET /Users\n\n=> many\n-- end --\nuser a\n", "-- a --\nGET /Users\n\n=> 200\n"} {
		if _, err := parse("x", txtar.Parse([]byte(text))); err == nil {
			t.Errorf("%q is taken for a session", text)
		}
	}
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

package guard

import (
	"math"
	"reflect"
	"testing"
	"time"
)

func TestDefaults(t *testing.T) {
	want := Settings{
		Window:        time.Hour,
		UserDeletes:   Limit{"hold", 20, 0.05},
		GroupDeletes:  Limit{"alarm", 5, 0},
		Deactivations: Limit{"alarm", 50, 0.05},
		Removals:      Limit{"alarm", 500, 0.2},
		Protected:     controlTower(),
	}
	got := Settings{}.WithDefaults()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if again := got.WithDefaults(); !reflect.DeepEqual(again, want) {
		t.Errorf("got %+v the second time, want %+v", again, want)
	}
}

func TestWhatIsLeftOutOfALimit(t *testing.T) {
	f := func(given, want Limit) {
		t.Helper()
		if got := (Settings{Deactivations: given}).WithDefaults().Deactivations; got != want {
			t.Errorf("%+v: got %+v, want %+v", given, got, want)
		}
	}
	f(Limit{Mode: Off}, Limit{Off, 50, 0.05})
	f(Limit{Floor: 7}, Limit{AlarmIt, 7, 0})
	f(Limit{Share: 0.5}, Limit{AlarmIt, 50, 0.5})
	f(Limit{HoldIt, 7, 0.5}, Limit{HoldIt, 7, 0.5})
}

func TestProtectedListIsNotShared(t *testing.T) {
	mine := []string{" Ops "}
	New(Settings{Protected: mine})
	if mine[0] != " Ops " {
		t.Errorf("got %q, want the caller's own list untouched", mine[0])
	}
}

func TestCheckTellsAllFaults(t *testing.T) {
	f := func(s Settings, want string) {
		t.Helper()
		got := ""
		if err := s.Check(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	f(Settings{}, "")
	f(Settings{Protected: []string{}, Removals: Limit{Off, 1, 1}, Window: time.Second}, "")
	f(Settings{Window: time.Millisecond}, "window must be at least 1s, not 1ms")
	f(Settings{Window: -time.Hour}, "window must be at least 1s, not -1h0m0s")
	f(Settings{
		UserDeletes:   Limit{Mode: "held"},
		GroupDeletes:  Limit{Floor: -1},
		Deactivations: Limit{Share: 5},
		Removals:      Limit{Share: math.NaN()},
		Protected:     []string{"Ops", " "},
	}, `user_deletes.mode must be hold, alarm or off, not "held"`+"\n"+
		"group_deletes.floor must not be negative\n"+
		"deactivations.share must be from 0 to 1, not 5\n"+
		"removals.share must be from 0 to 1, not NaN\n"+
		"protected[1] is empty")
}

func TestKindsAreFoundByName(t *testing.T) {
	for k := range kinds {
		if got, err := ParseKind(k.String()); got != k || err != nil {
			t.Errorf("%s: got %s, %v", k, got, err)
		}
	}
	if _, err := ParseKind("users"); err == nil {
		t.Error("got no error for a kind that is none")
	}
}

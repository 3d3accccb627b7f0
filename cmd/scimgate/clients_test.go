package main

import (
	"fmt"
	"testing"

	"github.com/scimgate/scimgate/bench/clients"
	"github.com/scimgate/scimgate/bench/standin"
)

// Clients that AWS never heard of work through the gateway, and end in the right
// state; straight to the stand-in most of them don't.
func TestClients(t *testing.T) {
	sessions, err := clients.Sessions()
	if err != nil || len(sessions) < 10 {
		t.Fatalf("got %d sessions: %v", len(sessions), err)
	}
	straight := 0
	for _, s := range sessions {
		t.Run(s.Name, func(t *testing.T) {
			c := play(t, stage{})
			differences, err := s.Play(c.gateway, standin.DefaultToken)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range append(differences, s.Compare(state(c.aws))...) {
				t.Error(d)
			}
		})
		c := play(t, stage{})
		differences, err := s.Play(c.direct, standin.DefaultToken)
		if err != nil {
			t.Fatal(err)
		}
		if len(differences)+len(s.Compare(state(c.aws))) > 0 {
			straight++
		}
		if err := c.stop(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("straight to the stand-in %d of %d sessions differ", straight, len(sessions))
	if straight < len(sessions)-2 {
		t.Errorf("%d of %d sessions need the gateway, want nearly all: is the stand-in strict?", straight, len(sessions))
	}
}

func state(aws *standin.Server) clients.State {
	users, groups := holdings(aws)
	s := clients.State{Users: map[string]map[string]any{}, Groups: map[string][]string{}}
	for _, u := range users {
		s.Users[fmt.Sprint(u.Document["userName"])] = u.Document
	}
	for _, g := range groups {
		s.Groups[fmt.Sprint(g.Document["displayName"])] = g.Members
	}
	return s
}

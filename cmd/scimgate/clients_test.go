package main

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/scimgate/scimgate/bench/clients"
	"github.com/scimgate/scimgate/bench/standin"
)

// Clients that AWS never heard of work through the gateway, and end in the right
// state; straight to the stand-in most of them don't.
func TestClients(t *testing.T) {
	straight, requests := 0, 0
	sessions := clientSessions(t)
	for _, s := range sessions {
		requests += s.Requests()
		t.Run(s.Name, func(t *testing.T) {
			for _, d := range ends(t, s, play(t, stage{})) {
				t.Error(d)
			}
		})
		alone, url := served(t)
		differences, err := s.Play(url, standin.DefaultToken)
		if err != nil {
			t.Fatal(err)
		}
		if len(differences)+len(s.Compare(state(alone))) > 0 {
			straight++
		}
	}
	t.Logf("%d sessions, %d requests; straight to the stand-in %d of them differ", len(sessions), requests, straight)
	if straight < len(sessions)-2 {
		t.Errorf("%d of %d sessions need the gateway, want nearly all: is the stand-in strict?", straight, len(sessions))
	}
}

func clientSessions(t *testing.T) []clients.Session {
	t.Helper()
	sessions, err := clients.Sessions()
	if err != nil || len(sessions) < 17 {
		t.Fatalf("got %d sessions: %v", len(sessions), err)
	}
	return sessions
}

// ends plays a session through the gateway, and tells in what the answers and AWS are
// not as they should be.
func ends(t *testing.T, s clients.Session, c *scene) []string {
	t.Helper()
	differences, err := s.Play(c.gateway, standin.DefaultToken)
	if err != nil {
		t.Fatal(err)
	}
	return append(differences, s.Compare(state(c.aws))...)
}

// Whatever AWS does where no document tells, a session ends in the same state, unless
// its file says otherwise. Those of hundreds of requests are played so with
// SCIMGATE_SCALE=full alone.
func TestClientsUnderEachSwitch(t *testing.T) {
	full := os.Getenv("SCIMGATE_SCALE") == "full"
	for _, s := range clientSessions(t) {
		unused := s.Positions()
		for _, sw := range standin.Switches() {
			for _, value := range sw.Values[1:] {
				position := sw.Name + "=" + value
				under := stage{aws: standin.Options{Switches: standin.Positions{sw.Name: value}}}
				told := slices.Contains(unused, position)
				unused = slices.DeleteFunc(unused, func(p string) bool { return p == position })
				if s.Requests() > 100 && !told && !full {
					continue
				}
				t.Run(s.Name+" "+position, func(t *testing.T) {
					t.Parallel()
					for _, d := range ends(t, s.Under(position), play(t, under)) {
						t.Error(d)
					}
				})
				if told {
					t.Run(s.Name+" "+position+" differs", func(t *testing.T) {
						t.Parallel()
						if len(ends(t, s, play(t, under))) == 0 {
							t.Error("the file makes an exception, and the session goes as ever")
						}
					})
				}
			}
		}
		for _, position := range unused {
			t.Errorf("session %s has an exception for %s, which is no position of a switch", s.Name, position)
		}
	}
}

// The answer to every create is lost on its way from AWS: each session goes as ever. A
// lost refusal of a duplicate can't be told from a lost create, so those that need one
// are left out.
func TestClientsWhereAnswersAreLost(t *testing.T) {
	for _, s := range clientSessions(t) {
		if s.Expects(409) {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			c := play(t, stage{})
			for _, op := range []standin.Operation{standin.CreateUser, standin.CreateGroup} {
				c.aws.Inject(standin.Fault{Operation: op, Act: standin.HangUp, When: standin.After, Times: s.Requests()})
			}
			for _, d := range ends(t, s, c) {
				t.Error(d)
			}
		})
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

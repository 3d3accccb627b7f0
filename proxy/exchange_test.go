package proxy

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/scimgate/scimgate/proxy/room"
	"github.com/scimgate/scimgate/proxy/wire"
	"github.com/scimgate/scimgate/rules/scim"
)

// An exchange keeps the places of its largest answer, and those that find none end; the last
// places are for what takes access away.
func TestLargeAnswersHavePlaces(t *testing.T) {
	a := newAnswers(0)
	exchange := func() *Exchange {
		return &Exchange{answers: &a, tenant: &Tenant{}, Deadline: time.Now().Add(-time.Second)}
	}
	var xs []*Exchange
	take := func(n, size int, revokes bool) {
		t.Helper()
		for range n {
			x := exchange()
			xs = append(xs, x)
			if err := x.fit(size, revokes); err != nil {
				t.Fatal(err)
			}
		}
	}
	const kept, keptOfLarge = mediumAnswers / 8, 1
	take(mediumAnswers-kept-largeAnswers, mediumAnswer, false)
	take(largeAnswers-keptOfLarge, mediumAnswer+1, false)
	if err := xs[len(xs)-1].fit(4<<20, false); err != nil {
		t.Errorf("got %v for another one of the same exchange", err)
	}
	x := exchange()
	if err := x.fit(mediumAnswer+1, false); err != errNoRoom {
		t.Errorf("got %v, want no room for a larger one", err)
	}
	if x.doneWith(); x.fit(mediumAnswer, false) != nil {
		t.Error("got no room for a smaller one")
	}
	if err := exchange().fit(mediumAnswer, false); err != errNoRoom {
		t.Errorf("got %v, want no room", err)
	}
	if err := exchange().fit(wire.Small, false); err != nil {
		t.Errorf("got %v, want small ones to need no place", err)
	}
	take(keptOfLarge, mediumAnswer+1, true)
	take(kept-keptOfLarge, mediumAnswer, true)
	if err := exchange().fit(mediumAnswer, true); err != errNoRoom {
		t.Errorf("got %v, want no room", err)
	}
	xs[0].leave()
	if err := exchange().fit(mediumAnswer, true); err != nil {
		t.Errorf("got %v, want the place that was given back", err)
	}
}

// Clients that don't take their answers leave room for the others, and writes are told what
// they have done.
func TestUnreadAnswersAreBounded(t *testing.T) {
	g := &Gateway{unread: room.New(maxUnread, roomWait, 0)}
	l := pipes{make(chan net.Conn)}
	served := wire.Listen(l, wire.Handling{Bodies: room.New(1<<20, 0, 0), Most: 1 << 20})
	answered := func(op scim.Operation, size int) (net.Conn, int) {
		t.Helper()
		go func() { _ = l.dial() }()
		conn, err := served.Accept()
		if err != nil {
			t.Fatal(err)
		}
		x := &Exchange{conn: conn, Target: scim.Target{Operation: op}, tenant: &Tenant{retryStatus: 429}, policy: &Policy{}}
		return conn, g.held(x, &Reply{Status: 200, Body: make([]byte, size)}).Status
	}
	var first net.Conn
	for n := range maxUnread / (4 << 20) {
		conn, status := answered(scim.ListUsers, 4<<20)
		defer conn.Close()
		if n == 0 {
			first = conn
		}
		if status != 200 {
			t.Fatalf("got %d for answer %d", status, n)
		}
	}
	f := func(op scim.Operation, size, want int) {
		t.Helper()
		conn, status := answered(op, size)
		defer conn.Close()
		if status != want {
			t.Errorf("%v: got %d for %d bytes, want %d", op, status, size, want)
		}
	}
	f(scim.ListUsers, wire.Small+1, 429)
	f(scim.ListUsers, wire.Small, 200)
	f(scim.PatchUser, wire.Small+1, 200)
	first.Close()
	f(scim.ListUsers, 4<<20, 200)
}

// What is kept of lists has a bound for all, and who finds no room ends; an eighth is for
// what takes access away.
func TestListsThatAreKeptAreBounded(t *testing.T) {
	g := &Gateway{lists: room.New(maxKeptLists, 0, room.Reserved)}
	exchange := func(op scim.Operation) *Exchange {
		return &Exchange{lists: g.lists, tenant: &Tenant{}, Target: scim.Target{Operation: op}}
	}
	first, second, small, revoking := exchange(scim.GetGroup), exchange(scim.ListGroups), exchange(scim.GetGroup), exchange(scim.DeleteGroup)
	f := func(x *Exchange, n int, fits bool) {
		t.Helper()
		var failure *scim.CallError
		if err := x.keep(n); (err == nil) != fits || !fits && (!errors.As(err, &failure) || failure.Reason != scim.NoRoom) {
			t.Errorf("got %v for %d bytes, want that they fit: %v", err, n, fits)
		}
	}
	const most = maxKeptLists - maxKeptLists/8
	f(first, most/2, true)
	f(first, most, true)
	f(second, wire.Small+1, false)
	f(small, wire.Small, true)
	f(revoking, maxKeptLists/8, true)
	f(revoking, maxKeptLists/8+1, false)
	first.leave()
	f(second, most-maxKeptLists/8, true)
}

package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/scimgate/scimgate/proxy/audit"
	"github.com/scimgate/scimgate/proxy/guard"
	"github.com/scimgate/scimgate/proxy/leavers"
	"github.com/scimgate/scimgate/proxy/room"
	"github.com/scimgate/scimgate/proxy/tokens"
	"github.com/scimgate/scimgate/proxy/upstream"
	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

// A lack of file descriptors passes; the listener outlives it.
func TestScarceDescriptorsAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		scarce := 10
		l := newBounded(short{left: &scarce}, 1)
		conn, err := l.Accept()
		if err != nil || scarce != 0 {
			t.Fatalf("got %v with %d failures to come, want them waited for", err, scarce)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
}

// short is a listener that lacks descriptors a few times.
type short struct {
	net.Listener
	left *int
}

func (s short) Accept() (net.Conn, error) {
	if *s.left == 0 {
		client, server := net.Pipe()
		return server, client.Close()
	}
	*s.left--
	return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
}

func TestJobsAreBounded(t *testing.T) {
	js := newJobs(0)
	var begun []*job
	for n := range maxJobs {
		begun = append(begun, js.start(fmt.Sprint(n), "", room.Ask{N: 1}))
	}
	if js.start("another", "", room.Ask{N: 1}) != nil {
		t.Errorf("a job begins beside %d others", maxJobs)
	}
	for n, j := range begun {
		js.end(fmt.Sprint(n), j, &Exchange{}, &Reply{})
	}
	half := js.start("half", "", room.Ask{N: maxJobBytes / 2})
	if other := js.start("other half", "", room.Ask{N: maxJobBytes / 2}); half == nil || other == nil {
		t.Fatal("the room for documents is less than it says")
	}
	if js.start("one more", "", room.Ask{N: 1}) != nil {
		t.Errorf("a job begins beside documents of %d bytes", maxJobBytes)
	}
	js.end("half", half, &Exchange{}, &Reply{})
	if js.start("half", "", room.Ask{N: maxJobBytes / 2}) == nil {
		t.Error("the room of a document is not given back")
	}
}

// The answers that nobody waited for are few, small and soon forgotten.
func TestKeptAnswersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		js := newJobs(0)
		leave := func(key string, size int) {
			j := js.start(key, "", room.Ask{N: 1})
			js.leave(key, j)
			js.end(key, j, &Exchange{Body: make([]byte, 1), Document: make([]byte, 1)}, &Reply{Status: 200, Body: make([]byte, size)})
		}
		for n := range 3 * maxKept {
			leave(fmt.Sprint(n), 1)
			if len(js.kept) > maxKept {
				t.Fatalf("got %d answers, want %d at most", len(js.kept), maxKept)
			}
		}
		f := func(key string, size int, after time.Duration, kept bool) {
			t.Helper()
			leave(key, size)
			time.Sleep(after)
			j := js.join(key)
			if (j != nil) != kept {
				t.Errorf("an answer of %d bytes: kept %v after %v, want %v", size, j != nil, after, kept)
			}
			if j != nil && (j.x.Body != nil || j.x.Document != nil) {
				t.Error("the document is kept with the answer")
			}
		}
		f("small", maxKeptBody, keptFor, true)
		f("large", maxKeptBody+1, 0, false)
		f("old", 1, keptFor+1, false)
		x := &Exchange{Began: time.Now(), Deadline: time.Now()}
		if y := x.detached(); y.Deadline.Sub(y.Began) != longest {
			t.Errorf("a job may take %v, want %v", y.Deadline.Sub(y.Began), longest)
		}
	})
}

func TestWhatIsKeptOfRefusalsIsBounded(t *testing.T) {
	var m mysteries
	for n := range maxUnexplained + 10 {
		m.keep(Unexplained{Exchange: fmt.Sprint(n)})
	}
	if all := m.all(); len(all) != maxUnexplained || all[0].Exchange != "10" {
		t.Errorf("got %d, the first %s, want the last %d", len(all), all[0].Exchange, maxUnexplained)
	}
	x := &Exchange{tenant: &Tenant{store: &store{}}, policy: &Policy{}}
	for size, kept := range map[int]bool{maxUnsettledBody: true, maxUnsettledBody + 1: false} {
		c := &call{Call: upstream.Call{Body: make([]byte, size)}, operation: scim.PatchUser}
		(&Gateway{}).weigh(x, c, &audit.Record{}, scim.Unknown, scim.Response{})
		due := x.tenant.unsettled.take(time.Now().Add(time.Hour), 1)
		if len(due) != 1 || (due[0].body != nil) != kept {
			t.Errorf("a document of %d bytes: kept %v, want %v", size, due[0].body != nil, kept)
		}
		x.tenant.unsettled.claim(due[0])
		x.tenant.unsettled.rested()
	}
}

func TestFindingsHeaderIsBounded(t *testing.T) {
	one := rules.Finding{Rule: &rules.Rule{ID: "SG304"}, Path: strings.Repeat("a", 100)}
	many := make([]rules.Finding, 1000)
	for i := range many {
		many[i] = one
	}
	got := findingsHeader(many)
	if len(got) > maxFindingsHeader+len(", and 1000 more") || !strings.HasSuffix(got, " more") {
		t.Errorf("got %d bytes that end in %q, want %d and how many are left out", len(got), got[len(got)-20:], maxFindingsHeader)
	}
	one.Path = strings.Repeat("a", maxFindingsHeader)
	if got := findingsHeader([]rules.Finding{one}); len(got) > maxFindingsHeader {
		t.Errorf("got %d bytes of one finding", len(got))
	}
}

// What AWS asks a client to wait is passed on up to a bound; where it asks for nothing, the
// gateway does.
func TestRetryAfterOfAWSIsBounded(t *testing.T) {
	x := &Exchange{tenant: &Tenant{retryStatus: 429}}
	for _, f := range []struct {
		status      int
		asked, want time.Duration
	}{{429, 0, soon}, {503, 0, outage}, {429, time.Minute, time.Minute}, {429, time.Hour, maximum}, {503, time.Hour, maximum}} {
		resp := scim.Response{Status: f.status, RetryAfter: f.asked}
		if r := (&Gateway{}).relay(x, resp); r.Status != 429 || r.RetryAfter != f.want {
			t.Errorf("got %d and %v for %d and %v, want 429 and %v", r.Status, r.RetryAfter, f.status, f.asked, f.want)
		}
	}
}

// AWS's own list of attributes is looked at a minute after the start, and then once a day.
func TestAttributesOfAWSAreLookedAtNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d drift
		every := Settings{}.WithDefaults().Schemas
		for _, step := range []struct {
			after time.Duration
			due   bool
		}{{0, false}, {time.Minute - 1, false}, {1, true}, {0, false}, {24*time.Hour - 1, false}, {1, true}} {
			time.Sleep(step.after)
			if due := d.due(every, time.Minute); due != step.due {
				t.Errorf("got %v after another %v, want %v", due, step.after, step.due)
			}
		}
	})
}

// holding is a folder with a token of AWS's and one of the gateway's own.
func holding(t *testing.T) (dir string, held tokens.Settings) {
	t.Helper()
	dir = t.TempDir()
	_, line := tokens.Make("okta")
	for name, text := range map[string]string{"gateway": line, "aws": "a-token"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, tokens.Settings{File: filepath.Join(dir, "gateway"), Upstream: "file:" + filepath.Join(dir, "aws")}
}

// An open deactivation is tried again every ten minutes at least, for as long as it takes.
func TestDeactivationsAreDrivenOn(t *testing.T) {
	dir, held := holding(t)
	synctest.Test(t, func(t *testing.T) {
		g, err := New(Settings{
			Upstream: upstream.Settings{URL: "http://127.0.0.1:1/scim/v2"}, // where nobody listens
			Audit:    audit.Settings{File: filepath.Join(dir, "audit.jsonl")},
			Tokens:   held,
		}, Policy{}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.leavers.Add(leavers.Leaver{ID: "ada", Tenant: defaultTenant, Since: time.Now()}); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			g.drive(ctx)
		}()
		time.Sleep(5 * driveFirst)
		if tries := g.leavers.All()[0].Tries; tries != 2 {
			t.Errorf("got %d tries at first, want one after %v and another after twice as long", tries, driveFirst)
		}
		const hours = 6
		time.Sleep(hours * time.Hour)
		stop()
		<-done
		tries := g.leavers.All()[0].Tries
		if least, most := int((hours-1)*time.Hour/driveMost), int(hours*time.Hour/driveMost)+15; tries < least || tries > most {
			t.Errorf("got %d tries in %d hours, want %d to %d", tries, hours, least, most)
		}
		g.closeStores(true)
		if err := errors.Join(g.leavers.Close(), g.journal.Close()); err != nil {
			t.Error(err)
		}
	})
}

// A store that doesn't answer holds up nobody else's open deactivations, and of its own so
// many are tried at once.
func TestStoresAreDrivenSideBySide(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	stuck := make(chan net.Conn, 2*driveAtOnce)
	go func() {
		for {
			conn, err := silent.Accept()
			if err != nil {
				return
			}
			stuck <- conn
		}
	}()
	tried := make(chan struct{}, 10)
	answering := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { tried <- struct{}{} }))
	defer answering.Close()
	dir, held := holding(t)
	s := Settings{Audit: audit.Settings{File: filepath.Join(dir, "audit.jsonl")}}
	for name, url := range map[string]string{"silent": "http://" + silent.Addr().String(), "answering": answering.URL} {
		s.Tenants = append(s.Tenants, TenantSettings{
			Name: name, Upstream: upstream.Settings{URL: url + "/scim/v2"},
			Tokens: held,
		})
	}
	g, err := New(s, Policy{}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for n := range driveAtOnce + 1 {
		if err := g.leavers.Add(leavers.Leaver{ID: fmt.Sprint("ada", n), Tenant: "silent", Since: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.leavers.Add(leavers.Leaver{ID: "grace", Tenant: "answering", Since: time.Now()}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.drive(ctx)
	}()
	for range driveAtOnce {
		defer (<-stuck).Close()
	}
	<-tried
	if len(stuck) > 0 {
		t.Errorf("more than %d are tried at once", driveAtOnce)
	}
	stop()
	g.closeStores(true)
	<-done
	if err := errors.Join(g.leavers.Close(), g.journal.Close()); err != nil {
		t.Error(err)
	}
}

// pipes is a listener of connections in memory.
type pipes struct{ conns chan net.Conn }

func (p pipes) Accept() (net.Conn, error) {
	if conn, open := <-p.conns; open {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error { return nil }

func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// anything is a contract that has nothing against anybody.
func anything(t *testing.T) *rules.Set {
	t.Helper()
	c := rules.Contract{Users: []rules.Attribute{{Path: "userName"}}, Groups: []rules.Attribute{{Path: "displayName"}}, Message: []rules.Attribute{{Path: "Operations", Type: rules.Complex, Traits: rules.Multi}}}
	for kind := scim.Kind(1); kind < scim.EndOfKinds; kind++ {
		c.Rules = append(c.Rules, rules.Rule{ID: fmt.Sprintf("SG9%02d", kind), Title: "t", Fix: "f", AWS: "a", Source: rules.Source{Strength: rules.Documented, Where: "w"}, Fault: kind, Default: rules.Reject})
	}
	set, err := rules.New(c, rules.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

const asking = "GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\nUser-Agent: x\r\nAuthorization: Bearer x\r\n"

// Each connection ends at its time, as the times are where nobody sets others, whatever its
// client does or doesn't.
func TestTimesOfConnectionsAreBounded(t *testing.T) {
	set, dir := anything(t), t.TempDir()
	f := func(name string, want time.Duration, answer string, client func(*Gateway, pipes) (net.Conn, time.Time)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, err := New(Settings{Upstream: upstream.Settings{URL: "http://127.0.0.1:1/scim/v2"}, Audit: audit.Settings{File: filepath.Join(dir, name)}}, Policy{Rules: set}, io.Discard)
				if err != nil {
					t.Fatal(err)
				}
				l := pipes{make(chan net.Conn)}
				g.server.NoDefaultDate = true // its clock would outlive the test, and begins with an error
				g.server.ErrorHandler = func(*fasthttp.RequestCtx, error) {}
				served := make(chan error)
				go func() { served <- g.server.Serve(g.secured(newBounded(l, 10))) }()
				conn, began := client(g, l)
				got, err := io.ReadAll(conn)
				if took := time.Since(began); err != nil || took < want || took > want+time.Second || !strings.HasPrefix(string(got), answer) || answer == "" && len(got) > 0 {
					t.Errorf("got %q %v after %v, want %q after %v", got, err, took, answer, want)
				}
				close(l.conns)
				time.Sleep(time.Minute) // the library's workers end by themselves
				<-served
				g.closeStores(true)
				if err := errors.Join(g.leavers.Close(), g.journal.Close()); err != nil {
					t.Error(err)
				}
			})
		})
	}
	say := func(text string) func(*Gateway, pipes) (net.Conn, time.Time) {
		return func(g *Gateway, l pipes) (net.Conn, time.Time) {
			conn := l.dial()
			if text != "" {
				if _, err := io.WriteString(conn, text); err != nil {
					t.Error(err)
				}
			}
			return conn, time.Now()
		}
	}
	f("silent", 20*time.Second, "", say(""))
	answered := func(g *Gateway, l pipes) (net.Conn, time.Time) {
		conn, _ := say(asking+"\r\n")(g, l)
		if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || resp.StatusCode != 429 {
			t.Errorf("got %v %v, want to be told to come again", resp, err)
		}
		return conn, time.Now()
	}
	f("idle behind an answer", 75*time.Second, "", answered)
	f("reads no answer", 30*time.Second, "", func(g *Gateway, l pipes) (net.Conn, time.Time) {
		conn, began := say(asking+"\r\n")(g, l)
		_, _ = io.WriteString(conn, "x") // is never taken
		return conn, began
	})
	f("no room", 10*time.Second, "HTTP/1.1 429", func(g *Gateway, l pipes) (net.Conn, time.Time) {
		if !g.room.Take(room.Ask{N: 32 << 20}, time.Time{}) { // as large bodies of others do
			t.Error("there is less room than it says")
		}
		return say("POST"+asking[3:]+"Content-Length: 20000\r\n\r\n")(g, l)
	})
}

// The admin listener's connections end at their times too.
func TestTimesOfTheAdminListenerAreBounded(t *testing.T) {
	dir := t.TempDir()
	f := func(name string, want time.Duration, answer, say string, read bool) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, err := New(Settings{Upstream: upstream.Settings{URL: "http://127.0.0.1:1/scim/v2"}, Audit: audit.Settings{File: filepath.Join(dir, name)}}, Policy{}, io.Discard)
				if err != nil {
					t.Fatal(err)
				}
				l, server := pipes{make(chan net.Conn)}, g.adminServer()
				served := make(chan error)
				go func() { served <- server.Serve(l) }()
				conn, began := l.dial(), time.Now()
				if say != "" {
					go io.WriteString(conn, say) // one that is too long isn't taken whole
				}
				if synctest.Wait(); !read {
					_, _ = io.WriteString(conn, "xx") // the library takes one, to see whether the client is there
				}
				got, _ := io.ReadAll(conn) // the end may be a broken pipe
				if took := time.Since(began); took < want || took > want+time.Second || !strings.HasPrefix(string(got), answer) || answer == "" && len(got) > 0 {
					t.Errorf("got %.200q after %v, want %q after %v", got, took, answer, want)
				}
				close(l.conns)
				<-served
				g.closeStores(true)
				if err := errors.Join(server.Close(), g.leavers.Close(), g.journal.Close()); err != nil {
					t.Error(err)
				}
			})
		})
	}
	ask := "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
	f("silent", 5*time.Second, "", "", true)
	f("half a head", 5*time.Second, "", ask, true)
	f("half a body", 5*time.Second, "HTTP/1.1 ", "POST /guard/release HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nkind=", true)
	f("too large a body", 0, "HTTP/1.1 4", "POST /guard/release HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nConnection: close\r\nContent-Length: 9000\r\n\r\nkind=user_deletes&for=1h&x="+strings.Repeat("a", 9000), true)
	f("idle behind an answer", time.Minute, "HTTP/1.1 200", ask+"\r\n", true)
	f("reads no answer", 30*time.Second, "", ask+"\r\n", false)
	f("too long a head", 0, "HTTP/1.1 431", ask+"X: "+strings.Repeat("a", 8<<10+4<<10)+"\r\n\r\n", true)
}

func TestInactiveUsersAreBounded(t *testing.T) {
	var s inactive
	for n := range maxInactive + 1 {
		s.add(fmt.Sprint(n))
	}
	if last := fmt.Sprint(maxInactive); len(s.ids) != 1 || !s.has(last) || s.has("0") {
		t.Errorf("got %d of %d, want them forgotten but for the last", len(s.ids), maxInactive+1)
	}
}

// What may be lost within an hour, where nobody sets other limits.
func TestDefaultLimitsOfGuards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := func(kind guard.Kind, users, limit int, beyond guard.Verdict) {
			t.Helper()
			g := guard.New(guard.Settings{})
			g.Knows(users)
			for n := range limit {
				if r := g.Take(kind, 1); r.Verdict != guard.Pass {
					t.Fatalf("got %+v for loss %d of %d", r, n+1, limit)
				}
			}
			time.Sleep(time.Hour - time.Second)
			if r := g.Take(kind, 1); r.Verdict != beyond || r.Limit != limit {
				t.Errorf("got %+v for loss %d, want verdict %v", r, limit+1, beyond)
			}
			time.Sleep(time.Hour / 30) // the window, and a part of it
			if r := g.Take(kind, 1); r.Verdict != guard.Pass {
				t.Errorf("got %+v behind the window", r)
			}
		}
		f(guard.UserDeletes, 0, 20, guard.Hold)
		f(guard.UserDeletes, 1000, 50, guard.Hold)
		f(guard.GroupDeletes, 1000, 5, guard.Alarm)
		f(guard.Deactivations, 0, 50, guard.Alarm)
		f(guard.Deactivations, 2000, 100, guard.Alarm)
		f(guard.Removals, 0, 500, guard.Alarm)
		f(guard.Removals, 5000, 1000, guard.Alarm)
	})
}

// Tokens that AWS has not accepted yet are tried a little, and refusals of strangers are
// recorded a little, from each address.
func TestStrangersAreBounded(t *testing.T) {
	tenants, err := newTenants(Settings{Upstream: upstream.Settings{URL: "http://127.0.0.1:1/scim/v2"}}.all(Policy{}, ""))
	if err != nil {
		t.Fatal(err)
	}
	f := func(name string, g *tokens.Guesses, burst, perSecond int) {
		t.Helper()
		now, address := time.Now(), netip.MustParseAddr("198.51.100.1")
		for _, step := range []struct {
			after time.Duration
			want  int
		}{{0, burst}, {0, 0}, {time.Second, perSecond}, {time.Hour, burst}} {
			now = now.Add(step.after)
			got := 0
			for range burst + 1 {
				if g.Allow(address, now) {
					got++
				}
			}
			if got != step.want {
				t.Errorf("%s: got %d after %v, want %d", name, got, step.after, step.want)
			}
		}
	}
	f("tries", tenants[0].guesses, 20, 5)
	f("records", tenants[0].noise, 100, 10)
}

func TestNamesOfTenantsAreBounded(t *testing.T) {
	for size, good := range map[int]bool{0: false, 1: true, 64: true, 65: false} {
		if isTenantName(strings.Repeat("a", size)) != good {
			t.Errorf("a name of %d bytes: taken %v", size, !good)
		}
	}
}

// A write in doubt that can't be settled now is asked about again soon.
func TestDoubtsAreAskedAboutAgain(t *testing.T) {
	set, dir := anything(t), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		g, err := New(Settings{
			Upstream: upstream.Settings{URL: "http://127.0.0.1:1/scim/v2"}, // where nobody listens
			Audit:    audit.Settings{File: filepath.Join(dir, "audit.jsonl")},
		}, Policy{Rules: set}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		doubts := &g.tenants[0].unsettled
		doubts.add(&inDoubt{intent: audit.Record{Exchange: "x", Op: scim.PatchUser.String(), Resource: "Users/ada"}})
		g.settle(g.tenants[0], []byte("a-token"), doubts.take(time.Now(), 1), time.Now())
		asked := time.Now()
		for n, after := range []time.Duration{againAfter - 1, againAfter} {
			if due := doubts.take(asked.Add(after), 1); len(due) != n {
				t.Errorf("got %d after %v, want %d", len(due), after, n)
			}
		}
		g.closeStores(true)
		if err := errors.Join(g.leavers.Close(), g.journal.Close()); err != nil {
			t.Error(err)
		}
	})
}

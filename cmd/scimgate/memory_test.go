package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	neturl "net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// statedMemory is the most that the process takes under the worst load that the default
// bounds permit; proxy/BOUNDS.md states it.
const statedMemory = 512 << 20

// measurable makes the program one without the race detector, which takes several times
// as much.
func measurable(t *testing.T) (wrap []string) {
	t.Helper()
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("this system does not tell how much memory a process has used")
	}
	binary := filepath.Join(t.TempDir(), "scimgate")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("cannot build: %v\n%s", err, out)
	}
	return []string{"sh", "-c", "unset " + asProgram + `; exec '` + binary + `' "$@"`}
}

// staysBelow fails if the program has ever had more bytes of memory.
func (p *program) staysBelow(most int) {
	p.t.Helper()
	had := 0
	for line := range strings.Lines(readFile(p.t, filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "status"))) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmHWM:" {
			kib, err := strconv.Atoi(fields[1])
			if err != nil {
				p.t.Fatal(err)
			}
			had = kib << 10
		}
	}
	p.t.Logf("%d MiB at most", had>>20)
	if had == 0 || had > most {
		p.t.Errorf("got %d MiB at most, want %d", had>>20, most>>20)
	}
}

// largestLists are the largest answers that are read of AWS.
var largestLists = [...]struct{ name, resource, filler string }{
	{"long values", `{"id":"x","userName":"%s"},`, strings.Repeat("x", 1000)},
	{"escapes", `{"id":"x","userName":"%s"},`, strings.Repeat(`\u00e9`, 300)},
	{"many values", `[%s],`, "1,1,1,1,1,1,1"},
}

// All connections are taken: by heads that don't end, by some that send the largest groups
// there can be, and by others whose lists AWS answers with the largest answers, all at
// once. Memory stays below the stated figure, and who takes somebody out gets through.
func TestMemoryIsBounded(t *testing.T) {
	for _, list := range largestLists {
		t.Run(list.name, func(t *testing.T) {
			var body strings.Builder
			body.WriteString(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":1,"startIndex":1,"itemsPerPage":1,"Resources":[`)
			for body.Len() < 4<<20-3000 {
				fmt.Fprintf(&body, list.resource, list.filler)
			}
			memoryIsBounded(t, strings.TrimSuffix(body.String(), ",")+"]}")
		})
	}
}

func memoryIsBounded(t *testing.T, lists string) {
	const conns, large, listing = 1024, 40, 100 // of all: those with a body, and those that ask for a list
	aws, url := served(t)
	calls, together := make(chan struct{}, conns), make(chan struct{}) // together is closed when all lists are asked for
	behind, err := neturl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	pass := httputil.NewSingleHostReverseProxy(&neturl.URL{Scheme: behind.Scheme, Host: behind.Host})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("startIndex") != "" || !strings.HasSuffix(r.URL.Path, "/Users") {
			pass.ServeHTTP(w, r)
			return
		}
		calls <- struct{}{}
		<-together
		w.Header().Set("Content-Type", "application/scim+json")
		_, _ = io.WriteString(w, lists)
	}))
	defer front.Close()
	p := start(t, measurable(t),
		"--upstream", front.URL+behind.Path, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--audit", filepath.Join(t.TempDir(), "audit.jsonl"), "--client-patience", "4s",
		"--listen-max-conns-per-address", strconv.Itoa(conns), // as if they came from many
		"--pace-writes-per-second", "2000", "--pace-writes-burst", "200", "--pace-reads-per-second", "4000", "--pace-reads-burst", "400")
	c := p.scene(aws)
	group, err := aws.AddGroup(`{"displayName":"Everybody"}`)
	if err != nil {
		t.Fatal(err)
	}
	leaver := c.people(1)[0]
	if r := c.send(c.gateway, "GET", "/Users/"+leaver, ""); r.status != 200 { // a token that AWS has accepted is trusted with more
		t.Fatalf("got %d %s", r.status, r.body)
	}
	host := hostOf(strings.TrimSuffix(c.gateway, "/scim/v2"))

	var open []net.Conn
	defer func() {
		for _, conn := range open {
			conn.Close()
		}
	}()
	head := "GET /scim/v2/Users?count=1 HTTP/1.1\r\n" + soundHead + "X-Filler: " + strings.Repeat("x", 15<<10)
	for range conns - large - listing - 20 {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
		if _, err := io.WriteString(conn, head); err != nil {
			t.Fatal(err)
		}
	}

	var all sync.WaitGroup
	status := func(request, body string) (status string) {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Error(err)
			return ""
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(40 * time.Second))
		_, _ = io.WriteString(conn, request+" HTTP/1.1\r\n"+soundHead+"Content-Type: application/scim+json\r\nConnection: close\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n")
		_, _ = io.WriteString(conn, body) // it may be refused before its end
		if answer, _ := io.ReadAll(conn); len(answer) > 12 {
			return string(answer[9:12])
		}
		return ""
	}
	listed := make([]string, listing)
	for i := range listing {
		all.Go(func() { listed[i] = status("GET /scim/v2/Users?count=1", "") })
	}
	for range listing {
		<-calls
	}
	var body strings.Builder
	body.WriteString(`{"displayName":"Everybody","members":[`)
	for n := range 260_000 { // as many values as a body may have
		fmt.Fprintf(&body, `{"value":"c4d8a478-10a1-70de-3d75-%012x"},`, n)
	}
	document := strings.TrimSuffix(body.String(), ",") + "]}"
	put := make([]string, large)
	for i := range large {
		all.Go(func() { put[i] = status("PUT /scim/v2/Groups/"+group, document) })
	}
	close(together)
	r := c.send(c.gateway, "PATCH", "/Users/"+leaver, leaves)
	// On a slow machine the upstream may be too late for it as well: then it is repeated, as Okta does.
	for deadline := time.Now().Add(90 * time.Second); r.status == 429 && time.Now().Before(deadline); time.Sleep(time.Second) {
		r = c.send(c.gateway, "PATCH", "/Users/"+leaver, leaves)
	}
	if r.status != 200 {
		t.Errorf("got %d %s for a deactivation meanwhile, want 200", r.status, r.body)
	}
	all.Wait()
	p.staysBelow(statedMemory)
	for what, statuses := range map[string][]string{"lists": listed, "bodies": put} {
		counts := map[string]int{}
		for _, status := range statuses {
			counts[status]++
		}
		t.Logf("%s were answered %v", what, counts)
		if counts["200"]+counts["400"]+counts["404"]+counts["429"] < len(statuses)/2 {
			t.Errorf("got %v", counts)
		}
	}
}

// An answer that was taken needs no room any more, also while its client stays.
func TestAnswersThatWereTakenNeedNoRoom(t *testing.T) {
	c := play(t, stage{})
	long := strings.Repeat("x", 1000)
	for n := range 100 {
		if _, err := c.aws.AddUser(fmt.Sprintf(`{"userName":"u%d@example.test","name":{"givenName":"A","familyName":"B"},"displayName":%q,"nickName":%q,"title":%q}`, n, long, long, long)); err != nil {
			t.Fatal(err)
		}
	}
	size := 0
	for n, most := 0, 64<<20; size*n <= most+most/4; n++ {
		conn, err := net.Dial("tcp", hostOf(c.gateway))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /scim/v2/Users?count=100 HTTP/1.1\r\n"+soundHead+"\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 || len(body) < 300_000 {
			t.Fatalf("client %d: got %d with %d bytes, %v", n, resp.StatusCode, len(body), err)
		}
		size = len(body)
	}
}

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scimgate/scimgate/bench/standin"
)

// statedMemory is the most that the process takes under the worst load that the default
// bounds permit; proxy/BOUNDS.md states it.
const statedMemory = 512 << 20

// All connections are taken by heads that don't end, but for some that send the largest
// groups there can be, all at once: memory stays below the stated figure, and who takes
// somebody out gets through.
func TestMemoryIsBounded(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("this system does not tell how much memory a process has used")
	}
	binary := filepath.Join(t.TempDir(), "scimgate") // the race detector's takes several times as much
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("cannot build: %v\n%s", err, out)
	}
	p, c := onLog(t, []string{"sh", "-c", "unset " + asProgram + `; exec '` + binary + `' "$@"`}, filepath.Join(t.TempDir(), "audit.jsonl"), "--client-patience", "4s")
	group, err := c.aws.AddGroup(`{"displayName":"Everybody"}`)
	if err != nil {
		t.Fatal(err)
	}
	leaver := c.people(1)[0]
	host := hostOf(strings.TrimSuffix(c.gateway, "/scim/v2"))

	var open []net.Conn
	defer func() {
		for _, conn := range open {
			conn.Close()
		}
	}()
	head := "GET /scim/v2/Users?count=1 HTTP/1.1\r\n" + soundHead + "X-Filler: " + strings.Repeat("x", 15<<10)
	const large, spare = 40, 20
	for range 1024 - large - spare {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
		if _, err := io.WriteString(conn, head); err != nil {
			t.Fatal(err)
		}
	}

	var body strings.Builder
	body.WriteString(`{"displayName":"Everybody","members":[`)
	for n := range 260_000 { // as many values as a body may have
		fmt.Fprintf(&body, `{"value":"c4d8a478-10a1-70de-3d75-%012x"},`, n)
	}
	document := strings.TrimSuffix(body.String(), ",") + "]}"
	statuses := make([]string, large)
	var all sync.WaitGroup
	for i := range large {
		all.Go(func() {
			conn, err := net.Dial("tcp", host)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(40 * time.Second))
			fmt.Fprintf(conn, "PUT /scim/v2/Groups/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nUser-Agent: x\r\nContent-Type: application/scim+json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", group, standin.DefaultToken, len(document))
			_, _ = io.WriteString(conn, document) // it may be refused before its end
			answer, _ := io.ReadAll(conn)
			if len(answer) > 12 {
				statuses[i] = string(answer[9:12])
			}
		})
	}
	if r := c.send(c.gateway, "PATCH", "/Users/"+leaver, leaves); r.status != 200 {
		t.Errorf("got %d %s for a deactivation meanwhile, want 200", r.status, r.body)
	}
	all.Wait()
	counts := map[string]int{}
	for _, status := range statuses {
		counts[status]++
	}
	most := 0 // bytes
	for line := range strings.Lines(readFile(t, filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), "status"))) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmHWM:" {
			kib, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			most = kib << 10
		}
	}
	t.Logf("%d MiB at most; %d bodies of %d MiB were answered %v", most>>20, large, len(document)>>20, counts)
	if most == 0 || most > statedMemory {
		t.Errorf("got %d MiB at most, want %d", most>>20, statedMemory>>20)
	}
	if counts["200"]+counts["400"]+counts["404"]+counts["429"] < large/2 {
		t.Errorf("got %v", counts)
	}
}

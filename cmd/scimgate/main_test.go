package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/scimgate/scimgate/bench/standin"
	"github.com/scimgate/scimgate/proxy/audit"
)

// asProgram makes the test binary the program itself, for tests that send it
// signals.
const asProgram = "SCIMGATE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Unsetenv(asProgram)
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	testscript.Main(m, map[string]func(){"scimgate": main})
}

// The commands as people use them: see testdata.
func TestCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata"})
}

func TestHelpNamesEveryCommand(t *testing.T) {
	var out strings.Builder
	if code := run([]string{"help"}, nil, &out, io.Discard); code != exitClean {
		t.Errorf("got exit code %d", code)
	}
	for _, name := range []string{"serve", "demo", "check", "rules", "standin", "version", "completion"} {
		if !strings.Contains(out.String(), "\n  "+name) {
			t.Errorf("help does not name %s", name)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if code := run([]string{"completion", shell}, nil, io.Discard, io.Discard); code != exitClean {
			t.Errorf("completion %s: got exit code %d", shell, code)
		}
	}
}

// SIGTERM finishes what is under way, closes the log and ends with 0.
func TestServeDrainsAtSIGTERM(t *testing.T) {
	aws := standin.New(standin.Options{Rates: standin.Unlimited()})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer aws.Close()
	go aws.Serve(l)
	hold := make(chan struct{})
	aws.Inject(standin.Fault{Operation: standin.CreateUser, Act: standin.Pass, When: standin.After, Hold: hold})

	log := filepath.Join(t.TempDir(), "audit.jsonl")
	c := exec.Command(os.Args[0], "serve", "--upstream", aws.BaseURL(l.Addr()), "--listen", "127.0.0.1:0", "--admin", "off", "--audit", log)
	c.Env = append(os.Environ(), asProgram+"=1")
	errs, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(errs)
	wait := func(message string) (found map[string]any) {
		t.Helper()
		for lines.Scan() {
			found = nil
			if json.Unmarshal(lines.Bytes(), &found) == nil && found["message"] == message {
				return found
			}
		}
		t.Fatalf("the program did not say %q", message)
		return nil
	}
	address := fmt.Sprint(wait("serving")["listen"])

	answered := make(chan error, 1)
	go func() {
		req, err := http.NewRequest("POST", "http://"+address+"/scim/v2/Users", strings.NewReader(`{`+soundUser+`}`))
		if err != nil {
			answered <- err
			return
		}
		req.Header.Set("Authorization", "Bearer "+standin.DefaultToken)
		resp, err := http.DefaultClient.Do(req)
		if err == nil && resp.StatusCode != 201 {
			err = fmt.Errorf("got %d for the request under way, want 201", resp.StatusCode)
		}
		answered <- err
	}()
	for len(aws.Users()) == 0 { // the write has reached AWS, whose answer is held
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wait("draining")
	close(hold)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	go io.Copy(io.Discard, errs)
	if err := c.Wait(); err != nil {
		t.Errorf("got %v, want exit code 0", err)
	}
	text := readFile(t, log)
	if _, err := audit.Verify(strings.NewReader(text)); err != nil || !strings.Contains(text, `"event":"shutdown"`) {
		t.Errorf("the log is not closed well: %v\n%s", err, text)
	}
}

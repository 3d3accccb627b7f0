package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

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
	testscript.Main(leakless{m}, map[string]func(){"scimgate": main})
}

// leakless runs the tests, and fails if goroutines of theirs go on behind them.
type leakless struct{ m *testing.M }

func (l leakless) Run() int {
	code := l.m.Run()
	http.DefaultClient.CloseIdleConnections()
	// The HTTP library's clock goes on for ever, and a pool ends ten seconds after its server.
	library := []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	}
	if err := goleak.Find(library...); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "goroutines are left behind:", err)
		return 1
	}
	return code
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

// A token whose line would hold up the whole file isn't made.
func TestATokenHasANameThatTheFileTakes(t *testing.T) {
	f := func(name string, code int, want string) {
		t.Helper()
		var out, errs strings.Builder
		got := run([]string{"token", name}, nil, &out, &errs)
		if got != code || !strings.Contains(errs.String(), want) || (out.Len() > 0) != (code == exitClean) {
			t.Errorf("%q: got exit code %d and %s%s, want %d and %q", name, got, out.String(), errs.String(), code, want)
		}
	}
	f("okta", exitClean, "okta ")
	const refused = "1 to 64 bytes, no white space and no #"
	f("new okta", exitUsage, refused)
	f("", exitUsage, refused)
	f("#x", exitUsage, refused)
	f("okta\n", exitUsage, refused)
	f(strings.Repeat("x", 80), exitUsage, refused)
}

// served is a stand-in that listens, and its Base URL.
func served(t *testing.T) (*standin.Server, string) {
	t.Helper()
	aws := standin.New(standin.Options{Rates: standin.Unlimited()})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go aws.Serve(l)
	t.Cleanup(func() { aws.Close() })
	return aws, aws.BaseURL(l.Addr())
}

// SIGTERM finishes what is under way, closes the log and ends with 0. At the end of the
// grace time, or at a second signal, what is still out is recorded as unknown.
func TestServeDrainsAtSIGTERM(t *testing.T) {
	f := func(name string, release, again bool, status, code int, outcome string, flags ...string) {
		t.Run(name, func(t *testing.T) {
			aws, url := served(t)
			hold := make(chan struct{})
			aws.Inject(standin.Fault{Operation: standin.CreateUser, Act: standin.Pass, When: standin.After, Hold: hold})
			log := filepath.Join(t.TempDir(), "audit.jsonl")
			p := start(t, nil, append([]string{"--upstream", url, "--listen", "127.0.0.1:0", "--admin", "off", "--audit", log}, flags...)...)
			answered := make(chan int, 1)
			go func() {
				req, err := http.NewRequest("POST", p.gateway+"/Users", strings.NewReader(`{`+soundUser+`}`))
				if err != nil {
					panic(err)
				}
				req.Header.Set("Authorization", "Bearer "+standin.DefaultToken)
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					answered <- 0
					return
				}
				resp.Body.Close()
				answered <- resp.StatusCode
			}()
			for len(aws.Users()) == 0 { // the write has reached AWS, whose answer is held
			}
			p.signal(syscall.SIGTERM)
			p.wait("draining")
			if release {
				close(hold)
			} else {
				defer close(hold)
			}
			if again {
				p.signal(syscall.SIGTERM)
			}
			if got := <-answered; got != status {
				t.Errorf("got %d for the request under way, want %d", got, status)
			}
			if got := p.exit(); got != code {
				t.Errorf("got exit code %d, want %d\n%s", got, code, p.output())
			}
			text := readFile(t, log)
			if s, err := audit.VerifyFile(log, nil); err != nil || len(s.OpenIntents) > 0 || !strings.Contains(text, outcome) || !strings.Contains(text, `"kind":"notice","event":"shutdown"`) {
				t.Errorf("the log is not closed well: %+v %v, want %s in\n%s", s, err, outcome, text)
			}
		})
	}
	f("finished", true, false, 201, exitClean, `"outcome":"ok"`)
	f("at the end of the grace time", false, false, 429, exitUpstream, `"outcome":"unknown"`, "--listen-shutdown-within", "3s")
	f("at a second signal", false, true, 0, exitUpstream, `"kind":"outcome","event":"shutdown"`)
}

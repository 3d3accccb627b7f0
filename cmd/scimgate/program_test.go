package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/scimgate/scimgate/bench/standin"
)

// program is the gateway as a process of its own.
type program struct {
	t              *testing.T
	cmd            *exec.Cmd
	gateway, admin string // Base URL, and URL of the admin listener
	lines          chan string
	ended          chan error

	mu   sync.Mutex // guards following
	said strings.Builder
}

// start runs `scimgate serve` and waits until it serves; wrap is a command in front of
// it, such as strace with its flags.
func start(t *testing.T, wrap []string, args ...string) *program {
	t.Helper()
	p := launch(t, wrap, args...)
	var serving struct{ Listen, Admin string }
	if err := json.Unmarshal([]byte(p.wait(`"message":"serving"`)), &serving); err != nil {
		t.Fatal(err)
	}
	p.gateway, p.admin = "http://"+serving.Listen+"/scim/v2", "http://"+serving.Admin
	return p
}

func launch(t *testing.T, wrap []string, args ...string) *program {
	t.Helper()
	argv := append(append(append([]string{}, wrap...), os.Args[0], "serve"), args...)
	p := &program{t: t, cmd: exec.Command(argv[0], argv[1:]...), lines: make(chan string, 1000), ended: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	errs, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for in := bufio.NewScanner(errs); in.Scan(); {
			p.mu.Lock()
			p.said.WriteString(in.Text() + "\n")
			p.mu.Unlock()
			select {
			case p.lines <- in.Text():
			default: // nobody waits for that many
			}
		}
		p.ended <- p.cmd.Wait()
	}()
	t.Cleanup(func() { p.cmd.Process.Kill() })
	return p
}

// wait returns the next line with a text in it.
func (p *program) wait(text string) string {
	p.t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case line := <-p.lines:
			if strings.Contains(line, text) {
				return line
			}
		case <-deadline:
			p.t.Fatalf("the program never says %q:\n%s", text, p.output())
		}
	}
}

func (p *program) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String()
}

func (p *program) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// exit waits for the end of the program, and returns its exit code; -1 if a signal ended
// it.
func (p *program) exit() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(60 * time.Second):
		p.t.Fatalf("the program does not end:\n%s", p.output())
	}
	return p.cmd.ProcessState.ExitCode()
}

// scene is the program as a scene, in front of a stand-in.
func (p *program) scene(aws *standin.Server) *scene {
	return &scene{t: p.t, aws: aws, gateway: p.gateway, admin: p.admin, token: standin.DefaultToken}
}

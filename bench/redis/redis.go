// Package redis runs a Redis of a test's or a scene's own: the real server, from the
// system's packages, without files, which can be killed, started again, and put behind a
// [Valve].
package redis

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// ErrMissing is of a machine without redis-server.
var ErrMissing = errors.New("redis-server is not installed (apt-get install redis-server)")

// Server is one that was started.
type Server struct {
	Address string // host:port
	process *exec.Cmd
}

// Start starts one at a port of the loopback that is free, and waits until it answers. Flags
// come behind those of every run, and win; with a port of TLS nothing is waited for.
func Start(flags ...string) (*Server, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return nil, ErrMissing
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("no port for Redis: %w", err)
	}
	s := &Server{Address: l.Addr().String()}
	if err := l.Close(); err != nil {
		return nil, fmt.Errorf("no port for Redis: %w", err)
	}
	return s, s.Again(flags...)
}

// Again starts it at its port, empty.
func (s *Server) Again(flags ...string) error {
	_, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		return err
	}
	on := []string{"--port", port}
	secure := len(flags) > 0
	if secure {
		on = []string{"--port", "0", "--tls-port", port}
	}
	args := append(append(on, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", os.TempDir()), flags...)
	s.process = exec.Command("redis-server", args...)
	if err := s.process.Start(); err != nil {
		return fmt.Errorf("cannot start Redis: %w", err)
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", s.Address); err == nil {
			_ = c.Close()
			if secure || s.Do("PING") == nil {
				return nil
			}
		}
	}
	s.Kill()
	return fmt.Errorf("redis does not answer at %s", s.Address)
}

// Kill ends it without a word.
func (s *Server) Kill() {
	_ = s.process.Process.Kill() // it may have ended
	_ = s.process.Wait()
}

// Signal sends it a signal: SIGSTOP lets it take what comes and answer nothing.
func (s *Server) Signal(sig syscall.Signal) error { return s.process.Process.Signal(sig) }

// Do sends one command, and returns the error that it is answered with.
func (s *Server) Do(args ...any) error {
	c, err := net.DialTimeout("tcp", s.Address, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	var text strings.Builder
	fmt.Fprintf(&text, "*%d\r\n", len(args))
	for _, arg := range args {
		word := fmt.Sprint(arg)
		fmt.Fprintf(&text, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(c, text.String()); err != nil {
		return err
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && strings.HasPrefix(answer, "-") {
		err = fmt.Errorf("redis answered %q", answer)
	}
	return err
}

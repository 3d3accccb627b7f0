package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// redisServer is a Redis of a scene's own, without files. A gateway reaches it through a
// valve.
type redisServer struct {
	address string
	process *exec.Cmd
}

// redis starts one.
func (s *stage) redis() *redisServer {
	if _, err := exec.LookPath("redis-server"); err != nil {
		s.skip("there is no redis-server: " + err.Error())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	r := &redisServer{address: l.Addr().String()}
	s.must(l.Close())
	s.must(r.start())
	return r
}

func (r *redisServer) start() error {
	_, port, err := net.SplitHostPort(r.address)
	if err != nil {
		return err
	}
	r.process = exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", os.TempDir())
	if err := r.process.Start(); err != nil {
		return fmt.Errorf("cannot start Redis: %w", err)
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if r.do("PING") == nil {
			return nil
		}
	}
	return fmt.Errorf("redis does not answer at %s", r.address)
}

func (r *redisServer) kill() {
	_ = r.process.Process.Kill()
	_ = r.process.Wait()
}

// do sends one command as a line.
func (r *redisServer) do(command string) error {
	c, err := net.DialTimeout("tcp", r.address, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(c, command+"\r\n"); err != nil {
		return err
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && !strings.HasPrefix(answer, "+") {
		err = fmt.Errorf("redis answered %q", answer)
	}
	return err
}

// valve stands between a gateway and Redis.
type valve struct {
	listener net.Listener
	to       string

	mu   sync.Mutex // guards following
	shut bool
	open []net.Conn
}

func (r *redisServer) valve() (*valve, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	v := &valve{listener: l, to: r.address}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			v.join(c)
		}
	}()
	return v, nil
}

// join carries what comes on a connection, unless the valve is shut.
func (v *valve) join(c net.Conn) {
	up, err := net.Dial("tcp", v.to)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil || v.shut {
		_ = c.Close()
		if err == nil {
			_ = up.Close()
		}
		return
	}
	v.open = append(v.open, c, up)
	for _, way := range [...][2]net.Conn{{c, up}, {up, c}} {
		go func() {
			_, _ = io.Copy(way[1], way[0])
			_, _ = way[0].Close(), way[1].Close()
		}()
	}
}

// turn opens or shuts the valve, which ends the connections.
func (v *valve) turn(shut bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.shut = shut; shut {
		for _, c := range v.open {
			_ = c.Close()
		}
		v.open = nil
	}
}

func (v *valve) close() {
	_ = v.listener.Close()
	v.turn(true)
}

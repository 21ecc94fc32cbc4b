package shell

import (
	"io"
	"os"
	"syscall"
	"time"
)

const (
	glance = 10 * time.Millisecond // between two looks at whether a stopped group is gone
	reap   = time.Second           // how long the system may take to clear away a killed group
)

// A group is a process group: a shell that leads it, and what the shell started.
type group struct {
	leader *os.Process
	exited chan struct{} // closed once the leader was reaped; then state and err are set
	state  *os.ProcessState
	err    error
}

// startGroup starts argv as the leader of a new process group that reads nothing.
func startGroup(argv []string, dir string, environ []string, stdout, stderr *os.File) (*group, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	leader, err := os.StartProcess(argv[0], argv, &os.ProcAttr{
		Dir:   dir,
		Env:   environ,
		Files: []*os.File{null, stdout, stderr},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return nil, err
	}
	g := &group{leader: leader, exited: make(chan struct{})}
	go func() {
		g.state, g.err = leader.Wait()
		close(g.exited)
	}()
	return g, nil
}

// stop ends every process of the group and returns once the leader was reaped: first it asks, after grace it kills.
func (g *group) stop(grace time.Duration) {
	adopt()
	g.signal(syscall.SIGTERM)
	if g.gone(grace) {
		return
	}
	g.signal(syscall.SIGKILL)
	g.gone(reap)
	<-g.exited
}

// gone waits until no process of the group is left, at most for limit, and reports whether that is so.
func (g *group) gone(limit time.Duration) bool {
	end := time.NewTimer(limit)
	defer end.Stop()
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for exited := g.exited; ; {
		select {
		case <-exited:
			exited = nil
		case <-tick.C:
		case <-end.C:
			return false
		}
		if exited == nil && !g.alive() {
			return true
		}
	}
}

// alive reports whether processes of the group are left once its leader was reaped. Those that ended as children of
// this process are reaped first, see adopt.
func (g *group) alive() bool {
	for {
		pid, err := syscall.Wait4(-g.leader.Pid, nil, syscall.WNOHANG, nil)
		if pid <= 0 && err != syscall.EINTR {
			return g.signal(0) == nil
		}
	}
}

// signal sends a signal to every process of the group. The number of the group cannot be another's: it stays taken
// while one of its processes, or the leader as a zombie, is left.
func (g *group) signal(s syscall.Signal) error { return syscall.Kill(-g.leader.Pid, s) }

// A drain is a pipe that processes write to and a goroutine that reads it.
type drain struct {
	read, write *os.File
	done        chan struct{}
}

func openDrain(into io.Writer) (*drain, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	d := &drain{read: read, write: write, done: make(chan struct{})}
	go func() {
		defer close(d.done)
		chunk := make([]byte, 4<<10)
		for {
			n, err := read.Read(chunk)
			into.Write(chunk[:n])
			if err != nil {
				return
			}
		}
	}()
	return d, nil
}

// finish returns once what the command wrote was read. A process that lives on in the background may hold the pipe
// open for ever, so it waits only a little while for the end.
func (d *drain) finish() {
	d.write.Close()
	late := time.NewTimer(linger)
	defer late.Stop()
	select {
	case <-d.done:
	case <-late.C:
	}
	d.read.Close()
	<-d.done
}

package command

import (
	"crypto/rand"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/breakwater-ci/breakwater/core"
)

// actor says who this process is: for the CI system by its run, and for this machine by its process.
func (s *ship) actor(job core.Job) core.Actor {
	a := job.Actor
	a.ID = rand.Text()
	a.PID = os.Getpid()
	a.Host, _ = os.Hostname() // only for people
	a.Space = pidSpace()
	a.Birth = birth(a.PID)
	return a
}

// actorOn is the actor of a plan. Where jobs of the CI run deploy, all of an attempt's are one actor: what one announces
// the next learns.
func (s *ship) actorOn(p *core.Plan) core.Actor {
	a := s.actor(s.forge.Job())
	if s.gang != nil {
		a.Run, a.Attempt = s.gang.run, s.gang.attempt
	}
	if p.DeployedByJobs() && a.Run != "" {
		a.ID = crewID(a.Run, a.Attempt)
	}
	return a
}

// dead reports whether a holder's process is known to be gone. Of a process on another machine, or in another
// container, nothing is known.
func dead(a core.Actor) bool {
	if a.Space == "" || a.Birth == "" || a.Space != pidSpace() {
		return false
	}
	return errors.Is(syscall.Kill(a.PID, 0), syscall.ESRCH) || birth(a.PID) != a.Birth
}

// pidSpace names the boot of this machine and the PID namespace: two processes with the same name see the same PIDs.
// It is empty where the system has no such thing, and then no process is ever taken for dead.
func pidSpace() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + " " + space
}

// birth is when a process started, in clock ticks since the machine's boot: field 22 of proc(5) stat, counted from
// behind the command's name, which may hold anything. It is empty for a process that is gone.
func birth(pid int) string {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}

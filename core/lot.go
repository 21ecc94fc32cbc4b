package core

import "time"

// A Marker says that a line is to be looked at, although no job works on it. It is a hint: the line's events decide. One
// that is stale costs a look, and one that is missing hides a line from those who look at every parked one.
type Marker struct {
	Line  Line
	Due   time.Time // from when on a look is worth it
	Marks []string  // what the ledger keeps of it; several if a process died while it moved it
}

package core

// Worst is one status for each name: of several that were added, the worst. What was not told to be well is not.
type Worst []Status

// Add takes one more status into account.
func (w *Worst) Add(s Status) {
	for i := range *w {
		if have := &(*w)[i]; have.Name == s.Name {
			if s.State.badness() > have.State.badness() {
				*have = s
			}
			return
		}
	}
	*w = append(*w, s)
}

func (s StatusState) badness() int {
	switch s {
	case StatusSuccess:
		return 0
	case StatusPending:
		return 1
	default:
		return 2
	}
}

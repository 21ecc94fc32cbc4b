package judge

// ceiling bounds what an e-process holds, so that it stays a number that JSON can carry. Less than the truth is valid.
const ceiling = 1e15

// meanOnset is by how many looks a regression that does not start with the deploy is expected to be late: half of the
// usual hour.
const meanOnset = 30

// A mixture is the average of e-processes, one for each alternative, each of which may begin at any look: half of the
// stake is on the first look, the rest is spread geometrically, and a stake not yet placed counts as it is. An average
// of e-processes is one, so a mixture pays no price for having asked for every alternative and every onset.
type mixture struct {
	A    []float64 `json:"a"`    // for each alternative: the stakes so far, each times its likelihood ratio since
	Top  []float64 `json:"top"`  // for each alternative: the largest ratio of a single look, at least 1
	Rest float64   `json:"rest"` // stake not yet placed
}

func newMixture(alternatives int) mixture {
	m := mixture{A: make([]float64, alternatives), Top: make([]float64, alternatives), Rest: 1}
	for i := range m.Top {
		m.Top[i] = 1
	}
	return m
}

// step takes the likelihood ratio of this look under each alternative.
func (m *mixture) step(ratio func(i int) float64) {
	stake := m.place()
	for i := range m.A {
		r := ratio(i)
		m.A[i] = min((m.A[i]+stake)*r, ceiling)
		m.Top[i] = max(m.Top[i], r)
	}
}

// enter is as step for regressions whose begin is told by more than one look: a stake that is placed now counts at once
// what first says, and later looks what later does.
func (m *mixture) enter(first, later func(i int) float64) {
	stake := m.place()
	for i := range m.A {
		r := later(i)
		m.A[i] = min(m.A[i]*r+stake*first(i), ceiling)
		m.Top[i] = max(m.Top[i], r)
	}
}

// place takes the stake of this look from what is left.
func (m *mixture) place() float64 {
	stake := m.Rest / meanOnset
	if m.Rest == 1 {
		stake = 0.5
	}
	m.Rest -= stake
	return stake
}

// value is the evidence now. The weights of the alternatives sum to 1.
func (m *mixture) value(weight func(i int) float64) float64 {
	sum := m.Rest
	for i, a := range m.A {
		sum += weight(i) * a
	}
	return sum
}

// without is at least the evidence that would be left if the look that told most had not been.
func (m *mixture) without(weight func(i int) float64) float64 {
	sum := m.Rest
	for i, a := range m.A {
		sum += weight(i) * a / m.Top[i]
	}
	return sum
}

// evenly weighs n alternatives alike.
func evenly(n int) func(int) float64 { return func(int) float64 { return 1 / float64(n) } }

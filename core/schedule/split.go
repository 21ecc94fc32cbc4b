package schedule

import (
	"container/heap"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/breakwater-ci/breakwater/core"
)

// split cuts the targets of one rule into waves.
func split(rule core.WaveRule, index int, targets []core.Target) ([]core.StartWave, error) {
	if rule.Split == nil {
		w := core.StartWave{Name: rule.Name, Rule: index}
		for _, t := range targets {
			w.Targets = append(w.Targets, core.StartTarget{Target: t})
		}
		return []core.StartWave{w}, nil
	}
	if g := rule.Split.Growth; g != 0 && !(g >= 1) {
		return nil, fmt.Errorf("split: growth is %v; waves never shrink, so it must be at least 1", g)
	}
	groups, err := group(targets, rule.Split.By)
	if err != nil {
		return nil, err
	}
	var waves []core.StartWave
	choice := newChoice(groups, rule.Split.Spread)
	for left, size := len(groups), 0; left > 0; left -= size {
		size = min(nextSize(rule.Split, len(groups), size), left)
		w := core.StartWave{Name: fmt.Sprintf("%s-%d", rule.Name, len(waves)+1), Rule: index}
		for _, members := range choice.take(size) {
			for _, t := range members {
				w.Targets = append(w.Targets, core.StartTarget{Target: t})
			}
		}
		waves = append(waves, w)
	}
	return waves, nil
}

// nextSize is the size of the wave after one of size previous, 0 for the first, out of n groups in all. Growth is
// rounded down from wave to wave, so that no wave outgrows the one before by more than the plan says.
func nextSize(s *core.Split, n, previous int) int {
	limit := n
	if s.Max.Set {
		limit = max(1, s.Max.Of(n, 1))
	}
	if previous == 0 {
		if !s.First.Set {
			return 1
		}
		return min(limit, max(1, s.First.Of(n, 1)))
	}
	growth := s.Growth
	if growth == 0 {
		growth = 2
	}
	// The small addend keeps 100 * 1.15 at 115.
	grown := math.Floor(float64(previous)*growth + 1e-9)
	return int(min(float64(limit), grown))
}

// group puts the targets that share a value of a label together, in the order in which the values come up. Without a
// label every target is a group of its own.
func group(targets []core.Target, by string) ([][]core.Target, error) {
	groups := make([][]core.Target, 0, len(targets))
	if by == "" {
		for i := range targets {
			groups = append(groups, targets[i:i+1:i+1])
		}
		return groups, nil
	}
	var without []string
	place := make(map[string]int)
	for _, t := range targets {
		value, ok := t.Labels[by]
		if !ok {
			without = append(without, t.Name)
			continue
		}
		i, ok := place[value]
		if !ok {
			i = len(groups)
			place[value] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], t)
	}
	if len(without) > 0 {
		return nil, fmt.Errorf("split: by: targets without the label %q: %s; label them, or split by another", by, list(without))
	}
	return groups, nil
}

// A choice hands out groups so that what shares a spread value is kept apart as long as possible. Groups with the same
// values are interchangeable, so it works on kinds of groups: the kind of which most is left goes first, because it
// is the hardest to spread over the waves to come. Ties go to the order of the plan.
//
// Handing out goes in rounds. Within a round no value comes twice; a kind that would repeat one is set aside until
// nothing else is left. A wave starts a new round, and so does a wave that cannot be filled without a repeat: thus the
// values least repeated come first again. Every group costs one heap operation, and one more for each time that its
// kind is set aside.
type choice struct {
	ready kinds
	aside kinds
	used  []int // last round in which a value was handed out
	round int
}

// A kind is the groups that have the same spread values.
type kind struct {
	order  int   // of its first group in the plan
	values []int // index of each spread value
	groups [][]core.Target
}

func newChoice(groups [][]core.Target, spread string) *choice {
	c := &choice{}
	values := make(map[string]int)
	byKey := make(map[string]*kind)
	var ids []int
	var key []byte
	for _, g := range groups {
		ids, key = ids[:0], key[:0]
		if spread != "" {
			ids = spreadValues(ids, g, spread, values)
		}
		for _, id := range ids {
			key = binary.AppendUvarint(key, uint64(id))
		}
		k, ok := byKey[string(key)]
		if !ok {
			k = &kind{order: len(c.ready), values: slices.Clone(ids)}
			byKey[string(key)] = k
			c.ready = append(c.ready, k)
		}
		k.groups = append(k.groups, g)
	}
	c.used = make([]int, len(values))
	heap.Init(&c.ready)
	return c
}

// spreadValues appends the distinct spread values of a group to ids, in rising order. Targets without the label share
// one value, the empty one: not knowing where they are is no reason to deploy them together.
func spreadValues(ids []int, group []core.Target, label string, values map[string]int) []int {
	for _, t := range group {
		id, ok := values[t.Labels[label]]
		if !ok {
			id = len(values)
			values[t.Labels[label]] = id
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// take hands out the groups of the next wave. There must be at least n left.
func (c *choice) take(n int) [][]core.Target {
	wave := make([][]core.Target, 0, n)
	for c.nextRound(); len(wave) < n; {
		if len(c.ready) == 0 {
			c.nextRound()
		}
		k := heap.Pop(&c.ready).(*kind)
		if c.repeats(k) {
			c.aside = append(c.aside, k)
			continue
		}
		for _, v := range k.values {
			c.used[v] = c.round
		}
		wave = append(wave, k.groups[0])
		if k.groups = k.groups[1:]; len(k.groups) > 0 {
			c.aside = append(c.aside, k)
		}
	}
	return wave
}

func (c *choice) nextRound() {
	c.round++
	for _, k := range c.aside {
		heap.Push(&c.ready, k)
	}
	c.aside = c.aside[:0]
}

func (c *choice) repeats(k *kind) bool {
	return slices.ContainsFunc(k.values, func(v int) bool { return c.used[v] == c.round })
}

// kinds is a heap: the kind of which most is left is at its top.
type kinds []*kind

func (k kinds) Len() int      { return len(k) }
func (k kinds) Swap(i, j int) { k[i], k[j] = k[j], k[i] }
func (k kinds) Less(i, j int) bool {
	if a, b := len(k[i].groups), len(k[j].groups); a != b {
		return a > b
	}
	return k[i].order < k[j].order
}
func (k *kinds) Push(x any) { *k = append(*k, x.(*kind)) }
func (k *kinds) Pop() any {
	last := len(*k) - 1
	x := (*k)[last]
	*k = (*k)[:last]
	return x
}

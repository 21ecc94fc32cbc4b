package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// An examiner has a place for each label, and takes a second to look at one.
type examiner struct {
	looks, now, most *atomic.Int32
	says             func(ctx context.Context, act core.Act) []core.Diagnosis
}

func newExaminer(says func(context.Context, core.Act) []core.Diagnosis) examiner {
	return examiner{new(atomic.Int32), new(atomic.Int32), new(atomic.Int32), says}
}

func (e examiner) Place(act core.Act) (string, error) {
	place, ok := act.Target.Labels["at"]
	if !ok {
		return "", errors.New("the target " + act.Target.Name + " has no label at")
	}
	return place, nil
}

func (e examiner) Examine(ctx context.Context, act core.Act) []core.Diagnosis {
	e.looks.Add(1)
	e.most.Store(max(e.most.Load(), e.now.Add(1)))
	_ = clock{}.Wait(ctx, time.Now().Add(time.Second))
	e.now.Add(-1)
	return e.says(ctx, act)
}

// acts are on n places, three each.
func acts(n int) (all []core.Act) {
	for i := range 3 * n {
		all = append(all, core.Act{Target: core.Target{Name: fmt.Sprint("t", i), Labels: map[string]string{"at": fmt.Sprint("p", i%n)}}})
	}
	return all
}

func TestTargets(t *testing.T) {
	same := func(context.Context, core.Act) []core.Diagnosis {
		return []core.Diagnosis{core.Well("aws", "We are me.")}
	}
	each := func(_ context.Context, act core.Act) []core.Diagnosis {
		return append(same(nil, act), core.Well("d", "%s is there.", act.Target.Labels["at"]))
	}
	for name, c := range map[string]struct {
		says  func(context.Context, core.Act) []core.Diagnosis
		acts  []core.Act
		looks int32
		want  string
	}{
		"one place":              {each, acts(1), 1, "aws: We are me.|d: p0 is there."},
		"what is said twice":     {each, acts(3), 3, "aws: We are me.|d: p0 is there.|d: p1 is there.|d: p2 is there."},
		"no more than can be":    {same, acts(mostPlaces), mostPlaces, "aws: We are me."},
		"too many":               {same, acts(mostPlaces + 1), mostPlaces, "d: The targets are in 51 places; only the first 50 of them are looked at.|aws: We are me."},
		"targets without places": {same, append(acts(1), core.Act{Target: core.Target{Name: "x"}}, core.Act{Target: core.Target{Name: "y"}}), 1, "d: It has targets that it cannot deploy to: the target x has no label at.|aws: We are me."},
		"no targets":             {each, nil, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newExaminer(c.says)
				var got []string
				for _, d := range Targets(t.Context(), "d", e, c.acts) {
					got = append(got, d.About+": "+d.What)
					if (d.Do == "") != (d.Health == core.HealthOK) {
						t.Errorf("%+v", d)
					}
				}
				if text := strings.Join(got, "|"); text != c.want || e.looks.Load() != c.looks || e.most.Load() > parallel {
					t.Errorf("%d looks, %d at once: %s; want %s", e.looks.Load(), e.most.Load(), text, c.want)
				}
			})
		})
	}
}

// TestTargetsSlow: what takes too long ends.
func TestTargetsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExaminer(func(ctx context.Context, _ core.Act) []core.Diagnosis {
			<-ctx.Done()
			return []core.Diagnosis{core.Well("d", "%v", ctx.Err())}
		})
		if found := Targets(t.Context(), "d", e, acts(1)); len(found) != 1 || found[0].What != context.DeadlineExceeded.Error() {
			t.Errorf("%+v", found)
		}
	})
}

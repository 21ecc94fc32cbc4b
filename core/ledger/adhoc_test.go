package ledger
import ("testing";"time";"slices";"strings"
"github.com/breakwater-ci/breakwater/core"
)
func BenchmarkAdhoc(t *testing.B) {
	type c struct { l *guard; seq int64; all []time.Duration }
	for _, fresh := range []bool{false, true} {
	var cs []*c
	for _, n := range []int{10, 100000} {
		d := t.TempDir()
		gitIn(t, ".", "init", "-q", "--bare", d)
		l := open(t, "git:"+d, env(""))
		fill(t, l, n)
		if fresh { l = open(t, "git:"+d, env("")); l.Read(t.Context(), line) }
		cs = append(cs, &c{l: l, seq: int64(n)})
	}
	for range 150 { for _, k := range cs {
		s := time.Now()
		if err := k.l.Append(t.Context(), line, k.seq, []core.Event{{Seq: k.seq+1, Type: core.EventRenewed, Rollout:"r", Reason: strings.Repeat("x", 300)}}); err != nil { t.Fatal(err) }
		k.seq++
		k.all = append(k.all, time.Since(s))
	}}
	for _, k := range cs { slices.Sort(k.all); t.Log(fresh, k.all[10], k.all[75]) }
	}
}

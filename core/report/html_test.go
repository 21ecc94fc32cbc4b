package report

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

func rendered(t *testing.T, s *story) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, s.rollout(), s.events, View{Plan: plan, Now: s.at.Add(18 * time.Minute)}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestHTML(t *testing.T) {
	for name, tell := range map[string]func(*testing.T) *story{
		"succeeded": stories["succeeded"], "halted-deploy": stories["halted-deploy"], "watched": watched, "rolled-back": stories["rolled-back"],
		"promoted": stories["promoted"], "pending": stories["pending"], "baking": stories["baking"],
	} {
		t.Run(name, func(t *testing.T) {
			got := rendered(t, tell(t))
			golden(t, name+".html", got)
			for _, bad := range []string{"<script", "src=", "url(", "@import", "ZgotmplZ"} {
				if strings.Contains(got, bad) {
					t.Errorf("the page has %s", bad)
				}
			}
		})
	}
}

// TestHostileHTML: what comes from outside is text of the page and nothing else, also in an attribute or a link.
func TestHostileHTML(t *testing.T) {
	r := hostileRollout(t)
	r.Start.By = core.Actor{Name: hostile, URL: "javascript:alert(1)"}
	verdicts := []core.Verdict{limited(hostile+`" onload="x`, core.Fail, 1, 2), limited(hostile+`" onload="x`, core.Fail, 2, 2)}
	verdicts[0].At, verdicts[1].At = began, began.Add(time.Minute)
	r.Precheck = verdicts
	events := []core.Event{
		{Type: core.EventLooked, Seq: 1, Wave: r.Waves[0].Name, Verdicts: verdicts[:1], Reason: hostile},
		{Type: core.EventLooked, Seq: 2, Wave: r.Waves[0].Name, Verdicts: verdicts[1:], Reason: hostile},
	}
	var b bytes.Buffer
	if err := HTML(&b, r, events, View{Now: began.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	if err := printable(got); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"<script", "<!channel", `" onload`, "javascript:", "ZgotmplZ", "http://evil\""} {
		if strings.Contains(got, bad) {
			t.Errorf("%q is live", bad)
		}
	}
	if !strings.Contains(got, `<path class="value" d="M0.00`) {
		t.Error("the chart of a hostile check is not drawn")
	}
	r.Start.By.URL = "https://ci.example.com/runs/7?a=1&b=\"x"
	b.Reset()
	if err := HTML(&b, r, nil, View{Now: began}); err != nil || !strings.Contains(b.String(), `<a href="https://ci.example.com/runs/7?a=1&amp;b=%22x">`) {
		t.Errorf("the run is not linked, %v", err)
	}
}

// TestHTMLOfACrowd: thousands of targets and long texts are a page that still opens.
func TestHTMLOfACrowd(t *testing.T) {
	r, events := crowd(t, "|<@&`𝕏", 50, 2000, 5)
	var b bytes.Buffer
	if err := HTML(&b, r, events, View{Now: began}); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 64<<20 {
		t.Errorf("the page has %d MiB", b.Len()>>20)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	if err := HTML(full, r, events, View{Now: began}); err == nil {
		t.Error("no error from a full disk")
	}
}

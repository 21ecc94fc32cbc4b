package report

import (
	"bytes"
	"strings"
	"testing"
	"time"
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

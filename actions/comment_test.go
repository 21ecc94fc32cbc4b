package actions

import (
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core/github/githubtest"
)

// TestComment: one comment a line on the pull request that the commit came from, however often there is something to say.
func TestComment(t *testing.T) {
	forge := githubtest.New(t)
	forge.Look(func(all *githubtest.State) {
		all.Pulls = []githubtest.Pull{{Number: 12, Merged: "1a2b", Base: "main"}, {Number: 13, Merged: "ffff", Base: "main"}}
		all.Comments = []githubtest.Comment{{ID: 1, Issue: 12, Author: "User", Body: "<!-- breakwater shop/prod -->\nmine"}}
	})
	f := onGitHub(t, forge)
	for _, c := range []struct{ commit, name, text string }{
		{"1a2b", "shop/prod", "baking"}, {"1a2b", "shop/prod", "succeeded"}, {"1a2b", "shop/test", "halted by @everyone"}, {"0000", "shop/prod", "nobody asked"},
		{"1a2b", "shop/long", strings.Repeat("a line of a long report\n", 5000)},
	} {
		if err := f.Comment(t.Context(), c.commit, c.name, c.text); err != nil {
			t.Errorf("%v: %v", c, err)
		}
	}
	forge.Look(func(all *githubtest.State) {
		var got []string
		for _, c := range all.Comments {
			if c.Issue != 12 || len(c.Body) > 65_536 {
				t.Errorf("#%d has a comment of %d bytes", c.Issue, len(c.Body))
			}
			got = append(got, c.Body)
		}
		if len(got) != 4 || got[0] != "<!-- breakwater shop/prod -->\nmine" || got[1] != "<!-- breakwater shop/prod -->\nsucceeded" ||
			got[2] != "<!-- breakwater shop/test -->\nhalted by @\u200beveryone" || !strings.HasPrefix(got[3], "<!-- breakwater shop/long -->\n"+summaryCut) {
			t.Errorf("%.200q", got)
		}
	})
}

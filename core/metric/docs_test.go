package metric_test

import (
	"os"
	"regexp"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/breakwater-ci/breakwater/core/metric"
)

// TestDocs checks the queries of the examples in docs/sources.md.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/sources.md")
	if err != nil {
		t.Fatal(err)
	}
	queries := 0
	for _, block := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllSubmatch(text, -1) {
		var plan struct {
			Sources map[string]struct {
				Type string `yaml:"type"`
			} `yaml:"sources"`
			Checks []struct {
				Name      string `yaml:"name"`
				Threshold struct {
					Source string `yaml:"source"`
					Query  string `yaml:"query"`
				} `yaml:"threshold"`
				Alarms struct {
					Source string `yaml:"source"`
				} `yaml:"alarms"`
			} `yaml:"checks"`
		}
		if err := yaml.Unmarshal(block[1], &plan); err != nil {
			t.Errorf("%s\n%v", block[1], err)
		}
		for _, c := range plan.Checks {
			if c.Alarms.Source != "" && !metric.Kinds[plan.Sources[c.Alarms.Source].Type].Alarms {
				t.Errorf("%s: its source knows no alarms", c.Name)
			}
			if c.Threshold.Query == "" {
				continue
			}
			queries++
			if err := metric.Kinds[plan.Sources[c.Threshold.Source].Type].CheckQuery(c.Threshold.Query); err != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
		}
	}
	if queries == 0 {
		t.Error("there are no queries in docs/sources.md")
	}
}

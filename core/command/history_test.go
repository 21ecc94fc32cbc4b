package command

import (
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/ledger"
	"github.com/breakwater-ci/breakwater/core/report"
)

// TestHistoryOfForgetful: a ledger that keeps no past says so.
func TestHistoryOfForgetful(t *testing.T) {
	line := core.Line{Service: "shop", Environment: "test"}
	forgetful := struct{ core.Ledger }{ledger.NewMemory()}
	_, err := history(t.Context(), forgetful, report.NewChronicle(line, 0, time.Time{}, time.Now()), line)
	if err == nil || !strings.Contains(err.Error(), "keeps only the newest rollout") {
		t.Errorf("%v", err)
	}
	if _, err := history(t.Context(), ledger.NewMemory(), report.NewChronicle(line, 0, time.Time{}, time.Now()), line); err != nil {
		t.Error(err)
	}
}

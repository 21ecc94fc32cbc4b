package metric

import (
	"context"

	"github.com/breakwater-ci/breakwater/core"
)

// mute is the part of a source that knows alarms only.
type mute struct{}

var errMute = &failure{text: "it answers no queries; it knows alarms only", permanent: true}

// Fill implements [core.Source].
func (mute) Fill(string, core.Variables) (string, error) { return "", errMute }

// Query implements [core.Source].
func (mute) Query(context.Context, core.Query) ([]core.Sample, error) { return nil, errMute }

package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/breakwater-ci/breakwater/core"
)

// The forms of what names a workflow on GitHub and what it is started with.
const (
	workflowForm   = `^[A-Za-z0-9_][A-Za-z0-9._-]*\.ya?ml$`
	repositoryForm = `^[A-Za-z0-9_][A-Za-z0-9._-]*/[A-Za-z0-9_.-]*[A-Za-z0-9_-][A-Za-z0-9_.-]*$`
	refForm        = `^[^\s~^:?*\[\\/-][^\s~^:?*\[\\]*$`
	inputForm      = `^[A-Za-z_][A-Za-z0-9_-]*$`
	// mostInputs is what GitHub takes for one run. An older server takes fewer, and says so.
	mostInputs = 25
)

var (
	isWorkflow   = regexp.MustCompile(workflowForm)
	isRepository = regexp.MustCompile(repositoryForm)
	isRef        = regexp.MustCompile(refForm)
	isInput      = regexp.MustCompile(inputForm)
)

var (
	workflowRule = rule{
		want:   "the name of a file in .github/workflows, without the folder, such as deploy.yml",
		ok:     func(v reflect.Value) bool { return isWorkflow.MatchString(v.String()) },
		schema: func(s *jsonschema.Schema) { s.Pattern = workflowForm },
	}
	repositoryRule = rule{
		want:   "OWNER/NAME, such as octo/infra",
		ok:     func(v reflect.Value) bool { return isRepository.MatchString(v.String()) },
		schema: func(s *jsonschema.Schema) { s.Pattern = repositoryForm },
	}
	refRule = rule{
		want:   "a branch or a tag, such as main",
		ok:     func(v reflect.Value) bool { return isRef.MatchString(v.String()) },
		schema: func(s *jsonschema.Schema) { s.Pattern = refForm },
	}
	inputRule = rule{
		want: "a name of letters, digits, dash and underscore, beginning with a letter or underscore, and none of those that are given anyway: " +
			strings.Join(core.WorkflowInputs, ", "),
		ok: func(v reflect.Value) bool {
			return isInput.MatchString(v.String()) && !slices.Contains(core.WorkflowInputs, v.String())
		},
		schema: func(s *jsonschema.Schema) {
			s.Pattern, s.Not = inputForm, new(jsonschema.Schema)
			for _, name := range core.WorkflowInputs {
				s.Not.Enum = append(s.Not.Enum, name)
			}
		},
	}
	inputsRule = rule{
		want:   fmt.Sprintf("at most %d inputs: GitHub takes %d, and %d are given anyway", moreInputs(), mostInputs, len(core.WorkflowInputs)),
		ok:     func(v reflect.Value) bool { return v.Len() <= moreInputs() },
		schema: func(s *jsonschema.Schema) { s.MaxProperties = new(uint64(moreInputs())) },
		keys:   &inputRule,
		filled: true,
	}
)

// moreInputs is how many a plan may add.
func moreInputs() int { return mostInputs - len(core.WorkflowInputs) }

package main

import (
	"cmp"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/breakwater-ci/breakwater"

// floors says what the production code of each room may import of this module, and whether it may import other
// modules. A new room needs a line here: that is the moment to think about where it stands.
var floors = map[string]struct {
	may    []string
	others bool
}{
	"core":                    {},
	"core/judge":              {may: []string{"core"}},
	"core/schedule":           {may: []string{"core"}},
	"core/lint":               {may: []string{"core"}},
	"core/policy":             {may: []string{"core"}},
	"core/window":             {may: []string{"core"}},
	"core/calendar":           {may: []string{"core"}, others: true}, // rrule-go
	"core/engine":             {may: []string{"core"}, others: true}, // go-multierror
	"core/config":             {may: []string{"core"}, others: true},
	"core/environ":            {},
	"core/plain":              {},
	"core/patient":            {may: []string{"core"}},
	"core/github":             {may: []string{"core", "core/patient"}, others: true},
	"core/gitlab":             {may: []string{"core", "core/patient"}, others: true},
	"core/aws":                {may: []string{"core"}, others: true},
	"core/codecommit":         {may: []string{"core/aws"}, others: true},
	"core/aws/awstest":        {},
	"core/standin":            {},
	"core/aws/cloudwatchtest": {may: []string{"core/standin"}, others: true},
	"core/aws/s3test":         {may: []string{"core/standin"}, others: true},
	"core/gitlab/gitlabtest":  {may: []string{"core/standin"}, others: true},
	"core/ledger":             {may: []string{"core", "core/aws", "core/codecommit", "core/github", "core/gitlab"}, others: true},
	"core/metric":             {may: []string{"core", "core/aws", "core/shell"}, others: true},
	"core/shell":              {may: []string{"core"}},
	"core/deploy":             {may: []string{"core", "core/aws", "core/github", "core/gitlab", "core/shell"}, others: true},
	"core/build":              {may: []string{"core", "core/aws"}, others: true},
	"core/door":               {may: []string{"core", "core/aws"}, others: true},
	"core/backtest":           {may: []string{"core", "core/engine", "core/report"}, others: true},
	"core/doctor":             {may: []string{"core", "core/shell"}, others: true},
	"core/check":              {may: []string{"core", "core/shell", "core/judge"}, others: true},
	"core/report":             {may: []string{"core", "core/plain"}, others: true},
	"core/command":            {may: []string{"core", "core/*"}, others: true},
	"actions":                 {may: []string{"core", "core/environ", "core/github"}, others: true},
	"gitlab":                  {may: []string{"core", "core/environ", "core/plain", "core/gitlab"}},
	"codebuild":               {may: []string{"core", "core/aws", "core/codecommit", "core/environ", "core/plain"}},
	".":                       {may: []string{"core", "core/command", "actions", "codebuild", "gitlab"}},
	"core/github/githubtest":  {may: []string{"core/standin"}, others: true},
	"core/ledger/ledgertest":  {may: []string{"core"}, others: true},
	"core/metric/metrictest":  {may: []string{"core", "core/metric"}, others: true},
	"core/deploy/deploytest":  {may: []string{"core", "core/deploy", "core/shell"}, others: true},
}

// TestFloors keeps every room on its floor, and asks each for a comment that says what it is for.
func TestFloors(t *testing.T) {
	documented := make(map[string]bool)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "_tools") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		room := filepath.ToSlash(filepath.Dir(path))
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		documented[room] = documented[room] || file.Doc != nil
		floor, known := floors[room]
		if !known {
			t.Errorf("%s is in a room without a floor", path)
			return nil
		}
		for _, imp := range file.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			if ours, ok := strings.CutPrefix(name, module+"/"); ok {
				if !permitted(floor.may, ours) {
					t.Errorf("%s imports %s, which is not below it", path, ours)
				}
			} else if strings.Contains(strings.SplitN(name, "/", 2)[0], ".") && !floor.others {
				t.Errorf("%s imports %s; this room does with the standard library", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for room, ok := range documented {
		if !ok {
			t.Errorf("the room %s has no package comment", room)
		}
	}
}

func permitted(may []string, room string) bool {
	for _, m := range may {
		if ok, _ := filepath.Match(m, room); ok {
			return true
		}
	}
	return false
}

// whole are the files that may keep a whole client of AWS' SDK: of these services the SDK itself keeps every operation.
var whole = []string{"core/aws/identity.go", "core/ledger/s3_bucket.go"}

// TestCalls keeps clients of AWS, GitHub and GitLab out of the fields of types. The linker keeps every method of every type
// that reflection may reach, and with a client all operations of its service, which is more than a megabyte of the binary for
// each.
func TestCalls(t *testing.T) {
	library := regexp.MustCompile(`(?m)^(?:import|\t)\s*(\w*) ?"github.com/(?:aws/aws-sdk-go-v2/service/(\w+)|google/go-github/v60/(github)|xanzy/go-(gitlab))"`)
	files := 0
	for room := range floors {
		paths, err := filepath.Glob(filepath.Join(room, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range library.FindAllStringSubmatch(string(text), -1) {
				files++
				name := cmp.Or(found[1:]...)
				field := regexp.MustCompile(`(?m)^\t+\w*[ ]*\*` + name + `\.Client\b`)
				if field.Match(text) && !slices.Contains(whole, filepath.ToSlash(path)) {
					t.Errorf("%s: a type has a whole client of %s: let it have the calls that it makes", path, name)
				}
			}
		}
	}
	if files < 20 {
		t.Errorf("%d files ask a service, which are too few to be true", files)
	}
}

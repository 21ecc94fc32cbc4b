package awstest

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// A Function is a function of Lambda with what was published of it.
type Function struct {
	Versions []Version // those published, oldest first; number i+1 has index i
	Aliases  map[string]*Alias
	Latest   Version

	// Slow is how many looks at its configuration it takes until new code is in place, and until a new version is ready.
	Slow int
	// Late is how many looks still show the code before.
	Late int
	// Broken is why new code cannot be put in place; empty: it can.
	Broken string

	looks     int // left until the update is over
	before    map[string]any
	stale     int
	published int // version that $LATEST is the same as
}

// A Version is code with its configuration.
type Version struct {
	Code        string // where it came from
	Description string
	State       string // empty: Active

	revision string
	looks    int // left until it is Active
}

// An Alias sends what is invoked by its name to one version, or to two.
type Alias struct {
	Version     string
	Weights     map[string]float64 // share of other versions
	Description string
	Revision    string

	// Late is how many looks at it still show what was there before its last change.
	Late   int
	before *Alias
	stale  int
}

// Publish adds a version as if somebody had published it, and returns its number.
func (f *Function) Publish(code, description string) string {
	f.Versions = append(f.Versions, Version{Code: code, Description: description})
	return strconv.Itoa(len(f.Versions))
}

// Set changes an alias, as anybody may.
func (a *Alias) Set(change func(a *Alias)) {
	before := *a
	before.Weights = maps.Clone(a.Weights)
	change(a)
	n, _ := strconv.Atoi(a.Revision)
	a.Revision = strconv.Itoa(n + 1)
	a.before, a.stale = &before, a.Late
}

// Outdate has the next looks show what was there before the last change.
func (a *Alias) Outdate() { a.stale = a.Late }

func (s *State) function(in map[string]any) (*Function, *Fault) {
	f := s.Functions[text(in, "FunctionName")]
	if f == nil {
		return nil, &Fault{Code: "ResourceNotFoundException", Message: "Function not found: " + text(in, "FunctionName")}
	}
	return f, nil
}

func (s *State) alias(in map[string]any) (*Function, *Alias, *Fault) {
	f, fault := s.function(in)
	if fault != nil {
		return nil, nil, fault
	}
	a := f.Aliases[text(in, "Name")]
	if a == nil {
		return nil, nil, &Fault{Code: "ResourceNotFoundException", Message: "Cannot find alias: " + text(in, "Name")}
	}
	return f, a, nil
}

func getAlias(s *State, in map[string]any) (map[string]any, *Fault) {
	_, a, fault := s.alias(in)
	if fault != nil {
		return nil, fault
	}
	if a.stale > 0 {
		a.stale--
		return a.before.answer(text(in, "Name")), nil
	}
	return a.answer(text(in, "Name")), nil
}

func (a *Alias) answer(name string) map[string]any {
	out := map[string]any{"Name": name, "FunctionVersion": a.Version, "RevisionId": a.Revision, "Description": a.Description}
	if len(a.Weights) > 0 {
		out["RoutingConfig"] = map[string]any{"AdditionalVersionWeights": maps.Clone(a.Weights)}
	}
	return out
}

// updateAlias changes what is given: weights that are not given stay.
func updateAlias(s *State, in map[string]any) (map[string]any, *Fault) {
	f, a, fault := s.alias(in)
	if fault != nil {
		return nil, fault
	}
	if revision := text(in, "RevisionId"); revision != "" && revision != a.Revision {
		return nil, &Fault{Code: "PreconditionFailedException", Message: "The Revision Id provided does not match the latest Revision Id. Call the GetAlias API to retrieve the latest Revision Id"}
	}
	next := *a
	if v := text(in, "FunctionVersion"); v != "" {
		next.Version = v
	}
	if routing, ok := in["RoutingConfig"].(map[string]any); ok {
		if weights, ok := routing["AdditionalVersionWeights"].(map[string]any); ok {
			next.Weights = make(map[string]float64)
			for version, share := range weights {
				next.Weights[version] = share.(float64)
			}
		}
	}
	for _, v := range append(slices.Collect(maps.Keys(next.Weights)), next.Version) {
		if n, err := strconv.Atoi(v); err != nil || n < 1 || n > len(f.Versions) {
			return nil, &Fault{Code: "ResourceNotFoundException", Message: "Function not found: version " + v}
		}
	}
	if _, same := next.Weights[next.Version]; same || len(next.Weights) > 1 {
		return nil, &Fault{Code: "InvalidParameterValueException", Message: "an alias has two versions at most, which differ"}
	}
	a.Set(func(a *Alias) {
		a.Version, a.Weights = next.Version, next.Weights
		if d, given := in["Description"].(string); given {
			a.Description = d
		}
	})
	return a.answer(text(in, "Name")), nil
}

// answer is the configuration of a version; number is empty for the newest code.
func (f *Function) answer(v *Version, number string) map[string]any {
	sum := sha256.Sum256([]byte(v.Code))
	out := map[string]any{
		"Version": number, "Description": v.Description, "CodeSha256": base64.StdEncoding.EncodeToString(sum[:]), "RevisionId": v.revision,
		"State": "Active", "LastUpdateStatus": "Successful",
	}
	switch {
	case v.State != "":
		out["State"] = v.State
	case v.looks > 0:
		out["State"] = "Pending"
	}
	if number == "" {
		out["Version"] = "$LATEST"
		if f.looks > 0 {
			out["LastUpdateStatus"] = "InProgress"
		} else if f.Broken != "" && v.Code != "" {
			out["LastUpdateStatus"], out["LastUpdateStatusReason"] = "Failed", f.Broken
		}
	}
	return out
}

func getFunctionConfiguration(s *State, in map[string]any) (map[string]any, *Fault) {
	f, fault := s.function(in)
	if fault != nil {
		return nil, fault
	}
	number := text(in, "Qualifier")
	if number == "" || number == "$LATEST" {
		if f.stale > 0 {
			f.stale--
			return f.before, nil
		}
		out := f.answer(&f.Latest, "")
		if f.looks > 0 {
			f.looks--
		}
		return out, nil
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > len(f.Versions) {
		return nil, &Fault{Code: "ResourceNotFoundException", Message: "Function not found: version " + number}
	}
	v := &f.Versions[n-1]
	out := f.answer(v, number)
	if v.looks > 0 {
		v.looks--
	}
	return out, nil
}

// pageSize is small, so that tests see more than one page.
const pageSize = 2

func listVersions(s *State, in map[string]any) (map[string]any, *Fault) {
	f, fault := s.function(in)
	if fault != nil {
		return nil, fault
	}
	all := []any{f.answer(&f.Latest, "")}
	for i := range f.Versions {
		all = append(all, f.answer(&f.Versions[i], strconv.Itoa(i+1)))
	}
	from, _ := strconv.Atoi(text(in, "Marker"))
	until := min(from+pageSize, len(all))
	out := map[string]any{"Versions": all[from:until]}
	if until < len(all) {
		out["NextMarker"] = strconv.Itoa(until)
	}
	return out, nil
}

func updateFunctionCode(s *State, in map[string]any) (map[string]any, *Fault) {
	f, fault := s.function(in)
	if fault != nil {
		return nil, fault
	}
	if f.looks > 0 {
		return nil, &Fault{Code: "ResourceConflictException", Message: "The operation cannot be performed at this time. An update is in progress for resource: " + text(in, "FunctionName")}
	}
	if revision := text(in, "RevisionId"); revision != "" && revision != f.Latest.revision {
		return nil, &Fault{Code: "PreconditionFailedException", Message: "The Revision Id provided does not match the latest Revision Id."}
	}
	code := text(in, "ImageUri")
	if code == "" {
		code = fmt.Sprintf("s3://%s/%s", text(in, "S3Bucket"), text(in, "S3Key"))
	}
	if dry, _ := in["DryRun"].(bool); dry {
		return f.answer(&f.Latest, ""), nil
	}
	if code != f.Latest.Code {
		f.published = 0
	}
	f.before, f.stale = f.answer(&f.Latest, ""), f.Late
	s.counter++
	f.Latest.Code, f.Latest.revision, f.looks = code, fmt.Sprintf("latest-%d", s.counter), f.Slow
	return f.answer(&f.Latest, ""), nil
}

// publishVersion makes no second version of what has not changed.
func publishVersion(s *State, in map[string]any) (map[string]any, *Fault) {
	f, fault := s.function(in)
	if fault != nil {
		return nil, fault
	}
	if f.looks > 0 {
		return nil, &Fault{Code: "ResourceConflictException", Message: "An update is in progress for resource: " + text(in, "FunctionName")}
	}
	latest := f.answer(&f.Latest, "")
	for given, has := range map[string]any{"RevisionId": f.Latest.revision, "CodeSha256": latest["CodeSha256"]} {
		if v := text(in, given); v != "" && v != has {
			return nil, &Fault{Code: "PreconditionFailedException", Message: given + " does not match"}
		}
	}
	if f.published == 0 {
		f.published, _ = strconv.Atoi(f.Publish(f.Latest.Code, text(in, "Description")))
		f.Versions[f.published-1].looks = f.Slow
	}
	return f.answer(&f.Versions[f.published-1], strconv.Itoa(f.published)), nil
}

package awstest

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// A Project is one of CodeBuild.
type Project struct {
	// Starts says what becomes of a new build; nil: it succeeds at the first look.
	Starts func(b *Build)
	// Runs is what the builds have put on each target.
	Runs map[string]string
}

// A Build is one of CodeBuild.
type Build struct {
	ID, Project, Status, Source string
	Resolved                    string // commit that the source stands for, once that is known
	Env                         map[string]string
	Started                     time.Time

	Looks    int    // until it has ended; negative: it goes on
	Ends     string // how; empty: SUCCEEDED
	SlowStop int    // looks between that it is to stop and that it has stopped
	Deaf     bool   // it does not stop
	Unseen   int    // looks and lists that do not show it yet
	Phase    string // in which it fails
	Code     string
	Error    string

	token    string
	stopping bool
}

// Active reports whether a build has not ended.
func (b *Build) Active() bool { return b.Status == "IN_PROGRESS" }

// Build starts a build, as anybody may.
func (s *State) Build(b Build) *Build {
	s.counter++
	b.ID, b.Status, b.Started = fmt.Sprintf("%s:%08d", b.Project, s.counter), "IN_PROGRESS", s.now.Add(time.Duration(s.counter)*time.Millisecond)
	s.Builds = append(s.Builds, &b)
	return &b
}

// advance is what happens to a build between two looks.
func (s *State) advance(b *Build) {
	switch {
	case !b.Active() || b.Looks < 0 && !b.stopping:
	case b.stopping && b.SlowStop > 0:
		b.SlowStop--
	case b.stopping:
		b.Status = "STOPPED"
	case b.Looks > 0:
		b.Looks--
	case b.Ends != "":
		b.Status = b.Ends
	default:
		b.Status = "SUCCEEDED"
		p := s.Projects[b.Project]
		if p.Runs == nil {
			p.Runs = make(map[string]string)
		}
		p.Runs[b.Env["BREAKWATER_TARGET"]] = b.Env["BREAKWATER_VERSION"]
	}
}

func (b *Build) answer() map[string]any {
	phase := map[string]any{"phaseType": "BUILD"}
	env := []any{}
	for name, value := range b.Env {
		env = append(env, map[string]any{"name": name, "value": value, "type": "PLAINTEXT"})
	}
	out := map[string]any{
		"id": b.ID, "projectName": b.Project, "buildStatus": b.Status, "buildComplete": !b.Active(), "currentPhase": "BUILD",
		"startTime": seconds(b.Started), "phases": []any{map[string]any{"phaseType": "SUBMITTED", "phaseStatus": "SUCCEEDED"}, phase},
		"logs":        map[string]any{"deepLink": "https://console.aws.amazon.com/cloudwatch/home#" + b.ID},
		"environment": map[string]any{"type": "LINUX_CONTAINER", "image": "aws/codebuild/standard:7.0", "computeType": "BUILD_GENERAL1_SMALL", "environmentVariables": env},
	}
	if b.Source != "" {
		out["sourceVersion"] = b.Source
		if b.Resolved != "" {
			out["resolvedSourceVersion"] = b.Resolved
		}
	}
	if !b.Active() {
		out["currentPhase"], phase["phaseStatus"] = "COMPLETED", b.Status
		if b.Phase != "" {
			phase["phaseType"] = b.Phase
		}
		if b.Error != "" {
			phase["contexts"] = []any{map[string]any{"statusCode": b.Code, "message": b.Error}}
		}
	}
	return out
}

func (s *State) project(name string) (*Project, *Fault) {
	if p := s.Projects[name]; p != nil {
		return p, nil
	}
	return nil, &Fault{Code: "ResourceNotFoundException", Message: "Project cannot be found: " + name}
}

func startBuild(s *State, in map[string]any) (map[string]any, *Fault) {
	name := text(in, "projectName")
	p, fault := s.project(name)
	if fault != nil {
		return nil, fault
	}
	b := Build{Project: name, Source: text(in, "sourceVersion"), Env: make(map[string]string), token: text(in, "idempotencyToken")}
	variables, _ := in["environmentVariablesOverride"].([]any)
	for _, v := range variables {
		v, _ := v.(map[string]any)
		b.Env[text(v, "name")] = text(v, "value")
	}
	for _, is := range s.Builds {
		if b.token != "" && is.token == b.token && s.now.Sub(is.Started) < 5*time.Minute {
			if is.Env["BREAKWATER_MARK"] != b.Env["BREAKWATER_MARK"] {
				return nil, &Fault{Code: "InvalidInputException", Message: "parameters do not match the token"}
			}
			return map[string]any{"build": is.answer()}, nil
		}
	}
	is := s.Build(b)
	if p.Starts != nil {
		p.Starts(is)
	}
	return map[string]any{"build": is.answer()}, nil
}

func batchGetBuilds(s *State, in map[string]any) (map[string]any, *Fault) {
	ids, _ := in["ids"].([]any)
	found, missing := []any{}, []any{}
	for _, id := range ids {
		at := slices.IndexFunc(s.Builds, func(b *Build) bool { return b.ID == id })
		switch {
		case at >= 0 && s.Builds[at].Unseen == 0:
			s.advance(s.Builds[at])
			found = append(found, s.Builds[at].answer())
			continue
		case at >= 0:
			s.Builds[at].Unseen--
		}
		missing = append(missing, id)
	}
	out := map[string]any{"builds": found}
	if len(missing) > 0 {
		out["buildsNotFound"] = missing
	}
	return out, nil
}

func listBuildsForProject(s *State, in map[string]any) (map[string]any, *Fault) {
	if _, fault := s.project(text(in, "projectName")); fault != nil {
		return nil, fault
	}
	var ids []any
	for _, b := range slices.Backward(s.Builds) {
		switch {
		case b.Project != text(in, "projectName"):
		case b.Unseen > 0:
			b.Unseen--
		default:
			ids = append(ids, b.ID)
		}
	}
	from, _ := strconv.Atoi(text(in, "nextToken"))
	until := min(from+pageSize, len(ids))
	out := make(map[string]any)
	if from < until {
		out["ids"] = ids[from:until]
	}
	if until < len(ids) {
		out["nextToken"] = strconv.Itoa(until)
	}
	return out, nil
}

func stopBuild(s *State, in map[string]any) (map[string]any, *Fault) {
	for _, b := range s.Builds {
		if b.ID != text(in, "id") {
			continue
		}
		if b.stopping = !b.Deaf; b.SlowStop == 0 {
			s.advance(b)
		}
		return map[string]any{"build": b.answer()}, nil
	}
	return nil, &Fault{Code: "ResourceNotFoundException", Message: "no such build"}
}

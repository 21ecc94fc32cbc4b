package awstest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A Service is one of ECS, with what it runs.
type Service struct {
	Controller  string // empty: ECS
	Strategy    string
	Events      []string
	Definition  string         // ARN of the task definition that it is to run
	Deployments []*TaskRollout // newest first
	Config      map[string]any // the deployment configuration, without the strategy
	Shifts      []*Shift       // service deployments where the strategy shifts traffic, oldest first

	// Starts says what becomes of a new deployment; nil: it is complete at the first look.
	Starts func(d *TaskRollout)
	// StartsShift says what becomes of a new service deployment; nil: it is successful after a few looks.
	StartsShift func(d *Shift)
	// Keeps has the service name the task definition that it was told last, also once ECS has gone back from it. AWS does not
	// document whether it does.
	Keeps bool
	// Late is how many looks, or lists, still show what was there before the last update.
	Late            int
	before          map[string]any
	stale, unlisted int
}

// A TaskRollout is a deployment of a service: its way to one task definition.
type TaskRollout struct {
	ID, Definition, State, Reason string

	Looks int    // until it is over; negative: it goes on
	Fails string // why it fails; empty: it does not
	Undo  bool   // the circuit breaker then goes back to what was complete last
}

// A Definition is a task definition.
type Definition struct {
	Fields map[string]any // as they were registered
	Tags   []any
	Status string // empty: ACTIVE
}

func (s *State) arn(family string, n int) string {
	return fmt.Sprintf("arn:aws:ecs:%s:%s:task-definition/%s:%d", s.region, Account, family, n)
}

// Register adds a task definition as if somebody had registered it, and returns its ARN.
func (s *State) Register(fields map[string]any, tags []any) string {
	family := text(fields, "family")
	s.Definitions[family] = append(s.Definitions[family], &Definition{Fields: fields, Tags: tags})
	return s.arn(family, len(s.Definitions[family]))
}

// Image is what a task definition runs in its first container.
func (s *State) Image(arn string) string {
	d, _, _ := s.definition(arn)
	if d == nil {
		return ""
	}
	return text(d.Fields["containerDefinitions"].([]any)[0].(map[string]any), "image")
}

// definition finds a task definition by its ARN, or the newest active one of a family.
func (s *State) definition(name string) (d *Definition, family string, number int) {
	_, short, isARN := strings.Cut(name, ":task-definition/")
	if !isARN {
		short = name
	}
	family, n, numbered := strings.Cut(short, ":")
	all := s.Definitions[family]
	if numbered {
		if number, _ = strconv.Atoi(n); number < 1 || number > len(all) {
			return nil, "", 0
		}
		return all[number-1], family, number
	}
	for i, d := range slices.Backward(all) {
		if d.Status == "" {
			return d, family, i + 1
		}
	}
	return nil, "", 0
}

// Update has a service go to a task definition, as anybody may.
func (s *State) Update(service *Service, arn string) *TaskRollout {
	s.counter++
	d := &TaskRollout{ID: fmt.Sprintf("ecs-svc/%d", s.counter), Definition: arn, State: "IN_PROGRESS"}
	service.Definition = arn
	service.Deployments = append([]*TaskRollout{d}, service.Deployments...)
	return d
}

// Runs is the task definition that was complete last.
func (s *Service) Runs() string {
	for _, d := range s.Deployments {
		if d.State == "COMPLETED" {
			return d.Definition
		}
	}
	return ""
}

// Busy reports whether a deployment of a service goes on.
func (s *Service) Busy() bool {
	return slices.ContainsFunc(s.Deployments, func(d *TaskRollout) bool { return d.State == "IN_PROGRESS" }) ||
		slices.ContainsFunc(s.Shifts, func(d *Shift) bool { return !d.Over() })
}

// pass is what happens to a service between two looks.
func (s *Service) pass(all *State) {
	d := s.Deployments[0]
	switch {
	case d.State != "IN_PROGRESS" || d.Looks < 0:
	case d.Looks > 0:
		d.Looks--
	case d.Fails == "":
		d.State, s.Deployments = "COMPLETED", []*TaskRollout{d}
	default:
		d.State, d.Reason = "FAILED", d.Fails
		if good := s.Deployments[len(s.Deployments)-1]; d.Undo && good != d {
			back := all.Update(s, good.Definition)
			back.Looks, back.Reason = 1, "rolling back to "+good.ID
		}
	}
}

func (s *Service) answer(name string) map[string]any {
	controller := s.Controller
	if controller == "" {
		controller = "ECS"
	}
	var deployments []any
	for i, d := range s.Deployments {
		status := "ACTIVE"
		if i == 0 {
			status = "PRIMARY"
		}
		deployments = append(deployments, map[string]any{"id": d.ID, "status": status, "taskDefinition": d.Definition, "rolloutState": d.State, "rolloutStateReason": d.Reason})
	}
	events := []any{}
	for _, e := range s.Events {
		events = append(events, map[string]any{"message": e})
	}
	out := map[string]any{"serviceName": name, "status": "ACTIVE", "taskDefinition": s.Definition, "deployments": deployments, "events": events,
		"deploymentController": map[string]any{"type": controller}, "deploymentConfiguration": map[string]any{}}
	if s.Strategy != "" {
		config := maps.Clone(s.Config)
		if config == nil {
			config = make(map[string]any)
		}
		config["strategy"] = s.Strategy
		out["deploymentConfiguration"] = config
	}
	if s.Shifting() {
		out["deployments"] = []any{map[string]any{"id": "ecs-svc/shifting", "status": "PRIMARY", "taskDefinition": s.Definition}}
	}
	return out
}

func (s *State) service(in map[string]any, name string) *Service {
	return s.Services[text(in, "cluster")+"/"+name]
}

func describeServices(s *State, in map[string]any) (map[string]any, *Fault) {
	services, failures := []any{}, []any{}
	names, _ := in["services"].([]any)
	for _, name := range names {
		service := s.service(in, name.(string))
		if service == nil {
			failures = append(failures, map[string]any{"arn": name, "reason": "MISSING"})
			continue
		}
		if service.stale > 0 {
			service.stale--
			services = append(services, service.before)
			continue
		}
		if !service.Shifting() {
			service.pass(s)
		}
		services = append(services, service.answer(name.(string)))
	}
	return map[string]any{"services": services, "failures": failures}, nil
}

func describeTaskDefinition(s *State, in map[string]any) (map[string]any, *Fault) {
	d, family, number := s.definition(text(in, "taskDefinition"))
	if d == nil {
		return nil, &Fault{Code: "ClientException", Message: "Unable to describe task definition."}
	}
	fields := maps.Clone(d.Fields)
	fields["taskDefinitionArn"], fields["revision"], fields["status"] = s.arn(family, number), number, "ACTIVE"
	if d.Status != "" {
		fields["status"] = d.Status
	}
	out := map[string]any{"taskDefinition": fields}
	if wanted, _ := in["include"].([]any); slices.Contains(wanted, any("TAGS")) && d.Tags != nil {
		out["tags"] = d.Tags
	}
	return out, nil
}

func registerTaskDefinition(s *State, in map[string]any) (map[string]any, *Fault) {
	fields := maps.Clone(in)
	tags, _ := in["tags"].([]any)
	delete(fields, "tags")
	arn := s.Register(fields, tags)
	return describeTaskDefinition(s, map[string]any{"taskDefinition": arn, "include": []any{"TAGS"}})
}

func updateService(s *State, in map[string]any) (map[string]any, *Fault) {
	service := s.service(in, text(in, "service"))
	arn := text(in, "taskDefinition")
	d, _, _ := s.definition(arn)
	switch {
	case service == nil:
		return nil, &Fault{Code: "ServiceNotFoundException", Message: "Service not found."}
	case service.Shifting() && (arn == "" || d != nil && d.Status == ""):
		if fault := service.update(s, text(in, "cluster")+"/"+text(in, "service"), in); fault != nil {
			return nil, fault
		}
		return map[string]any{"service": service.answer(text(in, "service"))}, nil
	case d == nil || d.Status != "":
		return nil, &Fault{Code: "ClientException", Message: "TaskDefinition is inactive"}
	}
	service.before, service.stale = service.answer(text(in, "service")), service.Late
	made := s.Update(service, arn)
	if service.Starts != nil {
		service.Starts(made)
	}
	return map[string]any{"service": service.answer(text(in, "service"))}, nil
}

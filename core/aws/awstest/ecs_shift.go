package awstest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Shift is a service deployment of a service whose strategy shifts traffic: its way from one task definition to another.
type Shift struct {
	ARN, Status, Reason string
	To, From            string // task definitions
	Stage               string
	Triggered           []string // alarms

	Hangs     bool   // it never scales up
	Fails     string // why it fails while the traffic shifts; empty: it does not
	Alarm     string // that is triggered while it bakes, and takes it back; empty: none
	Stops     bool   // a failure stops it, and nothing goes back
	StaysBad  bool   // what goes back does not get there
	Takes     int    // looks at each stage
	config    map[string]any
	created   time.Time
	looks     int
	hook      map[string]any // the one that waits, or waited last
	hooked    string         // the stage whose hook has been answered
	expires   time.Time
	goingBack string // why
}

// stages are those that a deployment goes through, in order.
var stages = []string{"RECONCILE_SERVICE", "PRE_SCALE_UP", "SCALE_UP", "POST_SCALE_UP", "TEST_TRAFFIC_SHIFT", "POST_TEST_TRAFFIC_SHIFT",
	"PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME", "CLEAN_UP"}

// Shifting reports whether the service's strategy shifts traffic.
func (s *Service) Shifting() bool { return s.Strategy != "" && s.Strategy != "ROLLING" }

// Over reports whether a deployment is over.
func (d *Shift) Over() bool {
	return slices.Contains([]string{"SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"}, d.Status)
}

// Waits reports whether a deployment waits for an answer.
func (d *Shift) Waits() bool { return d.hook != nil && d.hook["status"] == "AWAITING_ACTION" }

// Shift has the traffic of a service go to a task definition, as anybody may.
func (s *State) Shift(name string, arn string) *Shift {
	service := s.Services[name]
	s.counter++
	d := &Shift{ARN: fmt.Sprintf("arn:aws:ecs:%s:%s:service-deployment/%s/%d", s.region, Account, name, s.counter), Status: "PENDING",
		To: arn, From: service.Definition, Stage: stages[0], config: maps.Clone(service.Config), created: s.now.Add(time.Duration(s.counter) * time.Millisecond)}
	if d.config == nil {
		d.config = make(map[string]any)
	}
	service.Definition = arn
	service.Shifts = append(service.Shifts, d)
	return d
}

// back has a deployment return to where it came from.
func (d *Shift) back(why string) {
	d.Status, d.goingBack, d.hook = "ROLLBACK_REQUESTED", why, d.done("SUCCEEDED")
}

// done is the hook that waited, with how that has ended.
func (d *Shift) done(as string) map[string]any {
	if !d.Waits() {
		return d.hook
	}
	hook := maps.Clone(d.hook)
	hook["status"] = as
	return hook
}

// pass is what happens to a deployment between two looks.
func (d *Shift) pass(s *State, service *Service) {
	switch d.Status {
	case "PENDING":
		d.Status = "IN_PROGRESS"
	case "IN_PROGRESS":
		d.proceed(s)
	case "ROLLBACK_REQUESTED":
		d.Status = "ROLLBACK_IN_PROGRESS"
	case "ROLLBACK_IN_PROGRESS":
		d.Status, d.Reason = "ROLLBACK_SUCCESSFUL", d.goingBack
		if d.StaysBad {
			d.Status, d.Reason = "ROLLBACK_FAILED", cmp.Or(d.Fails, d.Reason)
			return
		}
		if !service.Keeps {
			service.Definition = d.From
		}
	}
}

// proceed takes a deployment on by a stage, unless something holds it.
func (d *Shift) proceed(s *State) {
	if d.Hangs && d.Stage == "SCALE_UP" {
		return
	}
	if hook := d.pausing(); hook != nil && d.hooked != d.Stage {
		d.pause(s, hook)
		return
	}
	if d.looks++; d.looks <= d.Takes {
		return
	}
	d.looks = 0
	switch at := slices.Index(stages, d.Stage); {
	case d.Stage == "PRODUCTION_TRAFFIC_SHIFT" && d.Fails != "" && d.Stops:
		d.Status, d.Reason = "STOPPED", d.Fails
	case d.Stage == "PRODUCTION_TRAFFIC_SHIFT" && d.Fails != "":
		d.back(d.Fails)
	case d.Stage == "BAKE_TIME" && d.Alarm != "":
		d.Triggered = []string{d.Alarm}
		d.back("an alarm was triggered")
	case at+1 == len(stages):
		d.Status = "SUCCESSFUL"
	default:
		d.Stage = stages[at+1]
	}
}

// pausing is the configuration of the hook that holds the stage at work.
func (d *Shift) pausing() map[string]any {
	hooks, _ := d.config["lifecycleHooks"].([]any)
	for _, h := range hooks {
		hook := h.(map[string]any)
		if at, _ := hook["lifecycleStages"].([]any); hook["targetType"] == "PAUSE" && slices.Contains(at, any(d.Stage)) {
			return hook
		}
	}
	return nil
}

// pause waits at a hook, until it is answered or its time is over.
func (d *Shift) pause(s *State, config map[string]any) {
	timeout, _ := config["timeoutConfiguration"].(map[string]any)
	if !d.Waits() {
		minutes, action := 1440.0, "ROLLBACK"
		if n, ok := timeout["timeoutInMinutes"].(float64); ok {
			minutes = n
		}
		if a := text(timeout, "action"); a != "" {
			action = a
		}
		s.counter++
		d.expires = s.now.Add(time.Duration(minutes) * time.Minute)
		d.hook = map[string]any{"hookId": fmt.Sprintf("ecs-pause-%d", s.counter), "targetType": "PAUSE", "status": "AWAITING_ACTION",
			"expiresAt": float64(d.expires.Unix()), "timeoutAction": action}
		return
	}
	if s.now.Before(d.expires) {
		return
	}
	d.hook = d.done("TIMED_OUT")
	if d.hooked = d.Stage; d.hook["timeoutAction"] == "ROLLBACK" {
		d.Status, d.goingBack = "ROLLBACK_REQUESTED", "a lifecycle hook timed out"
	}
}

// Answer answers the hook at which a deployment waits, as anybody may.
func (d *Shift) Answer(action string) {
	if d.hook, d.hooked = d.done("SUCCEEDED"), d.Stage; action == "ROLLBACK" {
		d.back("a user rolled it back at a lifecycle hook")
	}
}

func revisionOf(d *Shift, definition string) map[string]any {
	arn := strings.Replace(d.ARN, ":service-deployment/", ":service-revision/", 1)
	_, short, _ := strings.Cut(definition, ":task-definition/")
	return map[string]any{"arn": arn[:strings.LastIndexByte(arn, '/')+1] + strings.ReplaceAll(short, ":", "-")}
}

func (d *Shift) answer() map[string]any {
	out := map[string]any{"serviceDeploymentArn": d.ARN, "status": d.Status, "statusReason": d.Reason, "createdAt": float64(d.created.UnixMilli()) / 1e3,
		"targetServiceRevision": revisionOf(d, d.To), "lifecycleStage": d.Stage, "deploymentConfiguration": d.config,
		"alarms": map[string]any{"status": "MONITORING"}}
	if d.Triggered != nil {
		out["alarms"] = map[string]any{"status": "TRIGGERED", "triggeredAlarmNames": d.Triggered}
	}
	if d.From != "" {
		out["sourceServiceRevisions"] = []any{revisionOf(d, d.From)}
	}
	if d.hook != nil {
		out["lifecycleHookDetails"] = []any{d.hook}
	}
	if d.goingBack != "" {
		rollback := revisionOf(d, d.From)
		out["rollback"] = map[string]any{"reason": d.goingBack, "serviceRevisionArn": rollback["arn"]}
	}
	return out
}

// shiftOf finds a service deployment by its ARN.
func (s *State) shiftOf(arn string) (*Shift, *Service) {
	for _, service := range s.Services {
		for _, d := range service.Shifts {
			if d.ARN == arn {
				return d, service
			}
		}
	}
	return nil, nil
}

// listServiceDeployments shows a few at a time, and a new one a little late.
func listServiceDeployments(s *State, in map[string]any) (map[string]any, *Fault) {
	service := s.service(in, text(in, "service"))
	if service == nil {
		return nil, &Fault{Code: "ServiceNotFoundException", Message: "Service not found."}
	}
	all := slices.Clone(service.Shifts)
	if service.unlisted > 0 {
		service.unlisted--
		all = all[:len(all)-1]
	}
	const page = 2
	from := 0
	fmt.Sscan(text(in, "nextToken"), &from)
	list := []any{}
	for _, d := range all[from:min(from+page, len(all))] {
		brief := map[string]any{"serviceDeploymentArn": d.ARN, "status": d.Status, "createdAt": float64(d.created.UnixMilli()) / 1e3, "targetServiceRevisionArn": revisionOf(d, d.To)["arn"]}
		list = append(list, brief)
	}
	out := map[string]any{"serviceDeployments": list}
	if from+page < len(all) {
		out["nextToken"] = fmt.Sprint(from + page)
	}
	return out, nil
}

func describeServiceDeployments(s *State, in map[string]any) (map[string]any, *Fault) {
	out, failures := []any{}, []any{}
	arns, _ := in["serviceDeploymentArns"].([]any)
	for _, arn := range arns {
		d, service := s.shiftOf(arn.(string))
		if d == nil {
			failures = append(failures, map[string]any{"arn": arn, "reason": "MISSING"})
			continue
		}
		d.pass(s, service)
		out = append(out, d.answer())
	}
	return map[string]any{"serviceDeployments": out, "failures": failures}, nil
}

func describeServiceRevisions(s *State, in map[string]any) (map[string]any, *Fault) {
	out := []any{}
	arns, _ := in["serviceRevisionArns"].([]any)
	for _, arn := range arns {
		short := arn.(string)[strings.LastIndexByte(arn.(string), '/')+1:]
		i := strings.LastIndexByte(short, '-')
		if i < 0 {
			return nil, &Fault{Code: "InvalidParameterException", Message: "Invalid service revision ARN."}
		}
		_, _, number := s.definition(short[:i] + ":" + short[i+1:])
		out = append(out, map[string]any{"serviceRevisionArn": arn, "taskDefinition": s.arn(short[:i], number)})
	}
	return map[string]any{"serviceRevisions": out, "failures": []any{}}, nil
}

func stopServiceDeployment(s *State, in map[string]any) (map[string]any, *Fault) {
	d, _ := s.shiftOf(text(in, "serviceDeploymentArn"))
	switch {
	case d == nil:
		return nil, &Fault{Code: "ServiceDeploymentNotFoundException", Message: "Service deployment not found."}
	case text(in, "stopType") != "ROLLBACK":
		return nil, &Fault{Code: "InvalidParameterException", Message: "The valid values are ROLLBACK."}
	case d.Over():
		return nil, &Fault{Code: "ConflictException", Message: "The service deployment cannot be stopped."}
	case d.Status == "PENDING", d.Status == "IN_PROGRESS":
		d.back("a user stopped it")
	}
	return map[string]any{"serviceDeploymentArn": d.ARN}, nil
}

func continueServiceDeployment(s *State, in map[string]any) (map[string]any, *Fault) {
	d, _ := s.shiftOf(text(in, "serviceDeploymentArn"))
	switch {
	case d == nil:
		return nil, &Fault{Code: "ServiceDeploymentNotFoundException", Message: "Service deployment not found."}
	case !d.Waits() || d.Status != "IN_PROGRESS" || d.hook["hookId"] != in["hookId"]:
		return nil, &Fault{Code: "InvalidParameterException", Message: "The lifecycle hook does not await an action."}
	}
	d.Answer(text(in, "action"))
	return map[string]any{"serviceDeploymentArn": d.ARN}, nil
}

// reconfigure takes over what is sent of a configuration, and keeps the rest.
func (s *Service) reconfigure(in map[string]any) {
	sent, _ := in["deploymentConfiguration"].(map[string]any)
	config := maps.Clone(s.Config)
	if config == nil {
		config = make(map[string]any)
	}
	maps.Copy(config, sent)
	s.Config = config
}

// update begins a shift if there is something to shift. While one goes on nothing else may begin: what becomes of it then,
// AWS does not document.
func (s *Service) update(all *State, name string, in map[string]any) *Fault {
	s.reconfigure(in)
	force, _ := in["forceNewDeployment"].(bool)
	arn := text(in, "taskDefinition")
	if arn == "" || arn == s.Definition && !force {
		return nil
	}
	if n := len(s.Shifts); n > 0 && !s.Shifts[n-1].Over() {
		return &Fault{Code: "InvalidParameterException", Message: "A service deployment goes on."}
	}
	s.unlisted = s.Late
	d := all.Shift(name, arn)
	if s.StartsShift != nil {
		s.StartsShift(d)
	}
	return nil
}

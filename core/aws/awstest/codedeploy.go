package awstest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Group is a deployment group of CodeDeploy.
type Group struct {
	Platform string // Server, ECS or Lambda
	// Starts says what becomes of a new deployment; nil: it succeeds at the first look.
	Starts func(d *Deployment)
	// Runs is the revision that is out there.
	Runs map[string]any
}

// A Deployment is one of CodeDeploy.
type Deployment struct {
	ID, Application, Group, Description, Creator, Status string
	Revision                                             map[string]any
	Created                                              time.Time

	Looks     int    // until it has ended; negative: it goes on
	Ends      string // how; empty: Succeeded
	Waits     bool   // it gets Ready before, and goes on when it is told to
	SlowStop  int    // looks between that it is to stop and that it has stopped
	Undoes    string // what becomes of the rollback when this one fails: a status; empty: there is none
	LateUndo  int    // looks until that rollback shows
	Unseen    int    // looks and lists that do not show it yet
	ErrorCode string
	Error     string
	Targets   []Target

	stopping  bool
	undo      bool
	undone    string // the deployment that put back what was there
	triggered string // the deployment that this one takes back
}

// A Target is what one deployment does to an instance, a service or a function.
type Target struct {
	ID, Status, Event, Script, Message string
}

// Active reports whether a deployment has not ended.
func (d *Deployment) Active() bool {
	return !slices.Contains([]string{"Succeeded", "Failed", "Stopped"}, d.Status)
}

// Deploy starts a deployment, as anybody may.
func (s *State) Deploy(d Deployment) *Deployment {
	s.counter++
	d.ID, d.Status, d.Created = fmt.Sprintf("d-%09d", s.counter), "Created", s.now.Add(time.Duration(s.counter)*time.Millisecond)
	if d.Creator == "" {
		d.Creator = "user"
	}
	s.Deployments = append(s.Deployments, &d)
	return &d
}

// Rest lets time pass until every deployment has come to its end, those too that put back what was there.
func (s *State) Rest() {
	for i := 0; i < len(s.Deployments); i++ { // a rollback is one more
		for d := s.Deployments[i]; d.Active() || d.undo; {
			s.pass(d)
		}
	}
}

// pass is what happens to a deployment between two looks.
func (s *State) pass(d *Deployment) {
	switch {
	case d.stopping && d.SlowStop > 0:
		d.SlowStop--
	case d.stopping:
		d.stopping = false
		s.finish(d, "Stopped")
	case !d.Active() && d.undo && d.LateUndo > 0:
		d.LateUndo--
	case !d.Active() && d.undo:
		d.undo = false
		back := s.Deploy(Deployment{Application: d.Application, Group: d.Group, Creator: "codeDeployRollback", Looks: 1, Ends: d.Undoes, triggered: d.ID})
		back.Revision = s.Groups[d.Application+"/"+d.Group].Runs
		d.undone = back.ID
	case !d.Active() || d.Looks < 0:
		if d.Status == "Created" {
			d.Status = "InProgress"
		}
	case d.Looks > 0:
		d.Status = "InProgress"
		d.Looks--
	case d.Waits:
		d.Status = "Ready"
	case d.Ends == "":
		s.finish(d, "Succeeded")
	default:
		s.finish(d, d.Ends)
	}
}

func (s *State) finish(d *Deployment, status string) {
	d.Status = status
	if status == "Succeeded" {
		s.Groups[d.Application+"/"+d.Group].Runs = d.Revision
		s.shift(d)
	} else if d.Undoes != "" {
		d.undo = true
	}
}

// shift has a deployment of Lambda do its work.
func (s *State) shift(d *Deployment) {
	content, _ := d.Revision["string"].(map[string]any)
	if content == nil {
		content, _ = d.Revision["appSpecContent"].(map[string]any)
	}
	spec := text(content, "content")
	for name, f := range s.Functions {
		if _, number, ok := strings.Cut(spec, `"TargetVersion":"`); ok && strings.Contains(spec, `"Name":"`+name+`"`) {
			number, _, _ = strings.Cut(number, `"`)
			for _, a := range f.Aliases {
				a.Set(func(a *Alias) { a.Version = number })
			}
		}
	}
}

func (s *State) deployment(in map[string]any) (*Deployment, *Fault) {
	for _, d := range s.Deployments {
		if d.ID != text(in, "deploymentId") {
			continue
		}
		if d.Unseen > 0 {
			d.Unseen--
			break
		}
		return d, nil
	}
	return nil, &Fault{Code: "DeploymentDoesNotExistException", Message: "The deployment " + text(in, "deploymentId") + " could not be found"}
}

func (s *State) group(in map[string]any) (*Group, *Fault) {
	g := s.Groups[text(in, "applicationName")+"/"+text(in, "deploymentGroupName")]
	if g == nil {
		return nil, &Fault{Code: "DeploymentGroupDoesNotExistException", Message: "No Deployment Group found for name: " + text(in, "deploymentGroupName")}
	}
	return g, nil
}

// of are the deployments of the group that is asked for, newest first.
func (s *State) of(in map[string]any) (all []*Deployment) {
	for _, d := range slices.Backward(s.Deployments) {
		if d.Application == text(in, "applicationName") && d.Group == text(in, "deploymentGroupName") {
			all = append(all, d)
		}
	}
	return all
}

func getDeploymentGroup(s *State, in map[string]any) (map[string]any, *Fault) {
	g, fault := s.group(in)
	if fault != nil {
		return nil, fault
	}
	info := map[string]any{"applicationName": text(in, "applicationName"), "deploymentGroupName": text(in, "deploymentGroupName"), "computePlatform": g.Platform}
	for _, d := range s.of(in) {
		last := map[string]any{"deploymentId": d.ID, "status": d.Status, "createTime": seconds(d.Created)}
		if info["lastAttemptedDeployment"] == nil {
			info["lastAttemptedDeployment"] = last
		}
		if d.Status == "Succeeded" && info["lastSuccessfulDeployment"] == nil {
			info["lastSuccessfulDeployment"] = last
		}
	}
	return map[string]any{"deploymentGroupInfo": info}, nil
}

func createDeployment(s *State, in map[string]any) (map[string]any, *Fault) {
	g, fault := s.group(in)
	if fault != nil {
		return nil, fault
	}
	for _, d := range s.of(in) {
		if d.Active() {
			return nil, &Fault{Code: "DeploymentLimitExceededException", Message: fmt.Sprintf("The Deployment Group '%s' already has an active Deployment '%s'", d.Group, d.ID)}
		}
	}
	revision, _ := in["revision"].(map[string]any)
	d := s.Deploy(Deployment{Application: text(in, "applicationName"), Group: text(in, "deploymentGroupName"), Description: text(in, "description"), Revision: revision})
	if g.Starts != nil {
		g.Starts(d)
	}
	return map[string]any{"deploymentId": d.ID}, nil
}

func getDeployment(s *State, in map[string]any) (map[string]any, *Fault) {
	d, fault := s.deployment(in)
	if fault != nil {
		return nil, fault
	}
	s.pass(d)
	return map[string]any{"deploymentInfo": d.answer(s)}, nil
}

func (d *Deployment) answer(s *State) map[string]any {
	info := map[string]any{
		"applicationName": d.Application, "deploymentGroupName": d.Group, "deploymentId": d.ID, "description": d.Description,
		"creator": d.Creator, "status": d.Status, "createTime": seconds(d.Created), "computePlatform": s.Groups[d.Application+"/"+d.Group].Platform,
		"autoRollbackConfiguration": map[string]any{"enabled": d.Undoes != ""},
	}
	if d.Revision != nil {
		info["revision"] = stored(d.Revision)
	}
	if d.Error != "" && !d.Active() {
		info["errorInformation"] = map[string]any{"code": d.ErrorCode, "message": d.Error}
	}
	undo := make(map[string]any)
	if d.undone != "" {
		undo["rollbackDeploymentId"] = d.undone
	}
	if d.triggered != "" {
		undo["rollbackTriggeringDeploymentId"] = d.triggered
	}
	if len(undo) > 0 {
		info["rollbackInfo"] = undo
	}
	counts := make(map[string]any)
	for _, t := range d.Targets {
		n, _ := counts[t.Status].(int)
		counts[t.Status] = n + 1
	}
	info["deploymentOverview"] = counts
	return info
}

// stored is a revision as CodeDeploy gives it back: with what it has found in S3.
func stored(revision map[string]any) map[string]any {
	if s3, ok := revision["s3Location"].(map[string]any); ok {
		s3 = maps.Clone(s3)
		s3["eTag"] = "0a1b2c"
		revision = map[string]any{"revisionType": "S3", "s3Location": s3}
	}
	return revision
}

func listDeployments(s *State, in map[string]any) (map[string]any, *Fault) {
	if _, fault := s.group(in); fault != nil {
		return nil, fault
	}
	ids := []any{}
	between, _ := in["createTimeRange"].(map[string]any)
	start, _ := between["start"].(float64)
	for _, d := range s.of(in) {
		if d.Unseen > 0 {
			d.Unseen--
			continue
		}
		if seconds(d.Created) >= start {
			ids = append(ids, d.ID)
		}
	}
	from, _ := strconv.Atoi(text(in, "nextToken"))
	until := min(from+pageSize, len(ids))
	out := map[string]any{"deployments": ids[min(from, until):until]}
	if until < len(ids) {
		out["nextToken"] = strconv.Itoa(until)
	}
	return out, nil
}

// mostAtOnce is how many CodeDeploy tells about at once.
const mostAtOnce = 25

func batchGetDeployments(s *State, in map[string]any) (map[string]any, *Fault) {
	ids, _ := in["deploymentIds"].([]any)
	if len(ids) > mostAtOnce {
		return nil, &Fault{Code: "BatchLimitExceededException", Message: "too many deployments"}
	}
	all := []any{}
	for _, d := range s.Deployments {
		if slices.Contains(ids, any(d.ID)) {
			s.pass(d)
			all = append(all, d.answer(s))
		}
	}
	return map[string]any{"deploymentsInfo": all}, nil
}

func continueDeployment(s *State, in map[string]any) (map[string]any, *Fault) {
	d, fault := s.deployment(in)
	switch {
	case fault != nil:
		return nil, fault
	case !d.Active():
		return nil, &Fault{Code: "DeploymentAlreadyCompletedException", Message: "it is complete"}
	case d.Status != "Ready":
		return nil, &Fault{Code: "DeploymentIsNotInReadyStateException", Message: "it is not ready"}
	}
	d.Waits, d.Status = false, "InProgress"
	return nil, nil
}

func stopDeployment(s *State, in map[string]any) (map[string]any, *Fault) {
	d, fault := s.deployment(in)
	switch {
	case fault != nil:
		return nil, fault
	case !d.Active():
		return nil, &Fault{Code: "DeploymentAlreadyCompletedException", Message: "Deployment " + d.ID + " is already completed"}
	}
	d.stopping = true
	if back, _ := in["autoRollbackEnabled"].(bool); !back {
		d.Undoes = ""
	} else if d.Undoes == "" {
		d.Undoes = "Succeeded"
	}
	if d.SlowStop > 0 {
		return map[string]any{"status": "Pending"}, nil
	}
	s.pass(d)
	return map[string]any{"status": "Succeeded"}, nil
}

func listDeploymentTargets(s *State, in map[string]any) (map[string]any, *Fault) {
	d, fault := s.deployment(in)
	if fault != nil {
		return nil, fault
	}
	filters, _ := in["targetFilters"].(map[string]any)
	wanted, _ := filters["TargetStatus"].([]any)
	ids := []any{}
	for _, t := range d.Targets {
		if len(wanted) == 0 || slices.Contains(wanted, any(t.Status)) {
			ids = append(ids, t.ID)
		}
	}
	return map[string]any{"targetIds": ids}, nil
}

func batchGetDeploymentTargets(s *State, in map[string]any) (map[string]any, *Fault) {
	d, fault := s.deployment(in)
	if fault != nil {
		return nil, fault
	}
	ids, _ := in["targetIds"].([]any)
	all := []any{}
	for _, t := range d.Targets {
		if !slices.Contains(ids, any(t.ID)) {
			continue
		}
		event := map[string]any{"lifecycleEventName": t.Event, "status": t.Status, "diagnostics": map[string]any{"errorCode": "ScriptFailed", "scriptName": t.Script, "message": t.Message}}
		all = append(all, map[string]any{"deploymentTargetType": "InstanceTarget", "instanceTarget": map[string]any{
			"deploymentId": d.ID, "targetId": t.ID, "status": t.Status, "lifecycleEvents": []any{map[string]any{"lifecycleEventName": "BeforeInstall", "status": "Succeeded"}, event}}})
	}
	return map[string]any{"deploymentTargets": all}, nil
}

// seconds is an instant as AWS writes it in JSON.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

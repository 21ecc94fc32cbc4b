package awstest

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// ci is who asks.
const ci = "arn:aws:iam::" + Account + ":user/ci"

// A Pipeline is one of CodePipeline, of type V2. Its last stage is Deploy.
type Pipeline struct {
	Mode     string   // SUPERSEDED, QUEUED or PARALLEL; empty: SUPERSEDED
	Version  int      // of its structure
	Declares []string // variables, beside BREAKWATER
	Approval string   // name of a manual approval in Deploy; empty: there is none
	Last     bool     // the approval comes after what deploys
	// Starts says what becomes of a new execution; nil: it succeeds at the first look.
	Starts func(e *Execution)
	// Way is the transition into Deploy. The zero value is one that nobody has touched.
	Way Transition
	// Runs is what the variable VERSION, or the revision of the source, was in the execution that succeeded last.
	Runs string
}

// A Transition leads from one stage into the next.
type Transition struct {
	Reason string // why it is disabled; empty: it is not
	By     string
	At     time.Time
}

// An Execution is one of a pipeline.
type Execution struct {
	ID, Pipeline, Status, Summary string
	Variables                     map[string]string
	Revision                      string // of the source; empty: its newest
	Trigger                       string // empty: StartPipelineExecution
	Target                        string // to which it takes the stage back; empty: it is no rollback
	Started                       time.Time

	Looks    int    // until it has ended; negative: it goes on
	Ends     string // how; empty: Succeeded
	Unseen   int    // looks and lists that do not show it yet
	Deaf     bool   // its action ends by nothing but being abandoned
	Approved bool
	Code     string // of the error of its action
	Error    string
	Undo     bool // the pipeline takes the stage back by itself when it fails

	version   int
	token     string
	stopping  bool
	abandoned bool
}

// Active reports whether an execution has not ended.
func (e *Execution) Active() bool { return e.Status == "InProgress" || e.Status == "Stopping" }

// Execute starts an execution, as anybody may.
func (s *State) Execute(e Execution) *Execution {
	s.counter++
	e.ID, e.Status = fmt.Sprintf("00000000-0000-4000-8000-%012d", s.counter), "InProgress"
	e.Started, e.version = s.now.Add(time.Duration(s.counter)*time.Millisecond), s.Pipelines[e.Pipeline].Version
	s.Executions = append(s.Executions, &e)
	return &e
}

// goes is what happens to an execution between two looks.
func (s *State) goes(e *Execution) {
	p := s.Pipelines[e.Pipeline]
	switch {
	case !e.Active():
	case e.stopping && e.abandoned:
		e.Status = "Stopped"
	case e.Looks < 0 && (e.Deaf || !e.stopping):
	case s.waits(e): // to stop it is no answer
	case e.Looks > 0:
		e.Looks--
	case e.stopping:
		e.Status = "Stopped"
	case e.Ends != "":
		if e.Status = e.Ends; e.Undo {
			s.Execute(Execution{Pipeline: e.Pipeline, Trigger: "AutomatedRollback", Target: s.goodFor(e.Pipeline), Looks: 1})
		}
	default:
		e.Status = "Succeeded"
		p.Runs = s.puts(e)
	}
	if p.Last && s.waits(e) {
		p.Runs = s.puts(e)
	}
}

// goodFor is the newest execution that has succeeded.
func (s *State) goodFor(pipeline string) string {
	for _, e := range slices.Backward(s.Executions) {
		if e.Pipeline == pipeline && e.Status == "Succeeded" && e.Target == "" {
			return e.ID
		}
	}
	return ""
}

// puts is what an execution puts out.
func (s *State) puts(e *Execution) string {
	for _, to := range s.Executions {
		if e.Target != "" && to.ID == e.Target {
			return s.puts(to)
		}
	}
	if e.Revision != "" {
		return e.Revision
	}
	return e.Variables["VERSION"]
}

// shown are the members that lists and looks have in common.
func (e *Execution) shown(s *State) map[string]any {
	trigger, mode := e.Trigger, s.Pipelines[e.Pipeline].Mode
	if trigger == "" {
		trigger = "StartPipelineExecution"
	}
	if mode == "" {
		mode = "SUPERSEDED"
	}
	out := map[string]any{"pipelineExecutionId": e.ID, "status": e.Status, "executionMode": mode, "executionType": "STANDARD",
		"trigger": map[string]any{"triggerType": trigger, "triggerDetail": ci}}
	if e.Target != "" {
		out["executionType"], out["rollbackMetadata"] = "ROLLBACK", map[string]any{"rollbackTargetPipelineExecutionId": e.Target}
	}
	if e.Summary != "" {
		out["statusSummary"] = e.Summary
	}
	return out
}

func (s *State) pipeline(name string) (*Pipeline, *Fault) {
	if p := s.Pipelines[name]; p != nil {
		return p, nil
	}
	return nil, &Fault{Code: "PipelineNotFoundException", Message: fmt.Sprintf("The account with id '%s' does not include a pipeline with the name '%s'", Account, name)}
}

func (s *State) execution(in map[string]any) (*Execution, *Fault) {
	if _, fault := s.pipeline(text(in, "pipelineName")); fault != nil {
		return nil, fault
	}
	for _, e := range s.Executions {
		if e.ID != text(in, "pipelineExecutionId") || e.Pipeline != text(in, "pipelineName") {
			continue
		}
		if e.Unseen > 0 {
			e.Unseen--
			break
		}
		return e, nil
	}
	return nil, &Fault{Code: "PipelineExecutionNotFoundException", Message: "There is no execution " + text(in, "pipelineExecutionId")}
}

func startPipelineExecution(s *State, in map[string]any) (map[string]any, *Fault) {
	name := text(in, "name")
	p, fault := s.pipeline(name)
	if fault != nil {
		return nil, fault
	}
	e := Execution{Pipeline: name, Variables: make(map[string]string), token: text(in, "clientRequestToken")}
	variables, _ := in["variables"].([]any)
	for _, v := range variables {
		v, _ := v.(map[string]any)
		if n := text(v, "name"); n != "BREAKWATER" && !slices.Contains(p.Declares, n) {
			return nil, &Fault{Code: "ValidationException", Message: "the pipeline declares no variable " + n}
		}
		e.Variables[text(v, "name")] = text(v, "value")
	}
	sources, _ := in["sourceRevisions"].([]any)
	for _, v := range sources {
		v, _ := v.(map[string]any)
		e.Revision = text(v, "revisionValue")
	}
	for _, is := range s.Executions {
		if e.token != "" && is.token == e.token {
			return map[string]any{"pipelineExecutionId": is.ID}, nil
		}
	}
	is := s.Execute(e)
	if p.Starts != nil {
		p.Starts(is)
	}
	return map[string]any{"pipelineExecutionId": is.ID}, nil
}

func getPipelineExecution(s *State, in map[string]any) (map[string]any, *Fault) {
	e, fault := s.execution(in)
	if fault != nil {
		return nil, fault
	}
	s.goes(e)
	out := e.shown(s)
	out["pipelineName"], out["pipelineVersion"] = e.Pipeline, max(e.version, 1)
	var variables []any
	for name, value := range e.Variables {
		variables = append(variables, map[string]any{"name": name, "resolvedValue": value})
	}
	if len(variables) > 0 {
		out["variables"] = variables
	}
	if e.Revision != "" {
		out["artifactRevisions"] = []any{map[string]any{"name": "SourceOutput", "revisionId": e.Revision}}
	}
	return map[string]any{"pipelineExecution": out}, nil
}

func listPipelineExecutions(s *State, in map[string]any) (map[string]any, *Fault) {
	p, fault := s.pipeline(text(in, "pipelineName"))
	if fault != nil {
		return nil, fault
	}
	filter, _ := in["filter"].(map[string]any)
	all := []any{}
	for _, e := range slices.Backward(s.Executions) {
		switch {
		case e.Pipeline != text(in, "pipelineName"), filter != nil && (e.Status != "Succeeded" || e.version != p.Version):
		case e.Unseen > 0:
			e.Unseen--
		default:
			one := e.shown(s)
			one["startTime"] = seconds(e.Started)
			all = append(all, one)
		}
	}
	from, _ := strconv.Atoi(text(in, "nextToken"))
	until := min(from+pageSize, len(all))
	out := map[string]any{"pipelineExecutionSummaries": all[min(from, until):until]}
	if until < len(all) {
		out["nextToken"] = strconv.Itoa(until)
	}
	return out, nil
}

// action is the only one of Deploy beside the approval.
func (e *Execution) action() map[string]any {
	status := map[string]string{"Succeeded": "Succeeded", "Failed": "Failed", "InProgress": "InProgress", "Stopping": "InProgress"}[e.Status]
	switch {
	case e.abandoned && e.Status == "Stopped":
		status = "Abandoned"
	case status == "":
		status = "Succeeded"
	}
	result := map[string]any{"externalExecutionUrl": "https://console.aws.amazon.com/codesuite/codedeploy/" + e.ID}
	if e.Error != "" && status == "Failed" {
		result["errorDetails"] = map[string]any{"code": e.Code, "message": e.Error}
	}
	return map[string]any{"pipelineExecutionId": e.ID, "stageName": "Deploy", "actionName": "App", "status": status, "output": map[string]any{"executionResult": result}}
}

func listActionExecutions(s *State, in map[string]any) (map[string]any, *Fault) {
	filter, _ := in["filter"].(map[string]any)
	e, fault := s.execution(map[string]any{"pipelineName": in["pipelineName"], "pipelineExecutionId": filter["pipelineExecutionId"]})
	if fault != nil {
		return nil, fault
	}
	source := map[string]any{"pipelineExecutionId": e.ID, "stageName": "Source", "actionName": "Source", "status": "Succeeded"}
	return map[string]any{"actionExecutionDetails": []any{e.action(), source}}, nil
}

func stopPipelineExecution(s *State, in map[string]any) (map[string]any, *Fault) {
	e, fault := s.execution(in)
	abandon, _ := in["abandon"].(bool)
	switch {
	case fault != nil:
		return nil, &Fault{Code: "PipelineExecutionNotStoppableException", Message: fault.Message}
	case e.stopping && (e.abandoned || !abandon):
		return nil, &Fault{Code: "DuplicatedStopRequestException", Message: "it is stopping already"}
	case !e.Active():
		return nil, &Fault{Code: "PipelineExecutionNotStoppableException", Message: "it is over"}
	}
	e.stopping, e.abandoned, e.Status = true, e.abandoned || abandon, "Stopping"
	return map[string]any{"pipelineExecutionId": e.ID}, nil
}

func rollbackStage(s *State, in map[string]any) (map[string]any, *Fault) {
	p, fault := s.pipeline(text(in, "pipelineName"))
	if fault != nil {
		return nil, fault
	}
	unable := func(why string) (map[string]any, *Fault) {
		return nil, &Fault{Code: "UnableToRollbackStageException", Message: why}
	}
	if text(in, "stageName") != "Deploy" {
		return nil, &Fault{Code: "StageNotFoundException", Message: "there is no such stage"}
	}
	for _, e := range s.Executions {
		switch {
		case e.Pipeline != text(in, "pipelineName"):
		case e.Active() || p.Mode == "PARALLEL":
			return unable("the stage is running, or the pipeline is parallel")
		case e.ID == text(in, "targetPipelineExecutionId") && (e.Status != "Succeeded" || e.version != p.Version || e.Target != ""):
			return unable("the pipeline has changed")
		}
	}
	is := s.Execute(Execution{Pipeline: text(in, "pipelineName"), Trigger: "ManualRollback", Target: text(in, "targetPipelineExecutionId")})
	if p.Starts != nil {
		p.Starts(is)
	}
	return map[string]any{"pipelineExecutionId": is.ID}, nil
}

// waits reports whether an execution waits for its approval. One that comes last is not there before all else has gone well.
func (s *State) waits(e *Execution) bool {
	p := s.Pipelines[e.Pipeline]
	there := !p.Last || e.Looks == 0 && e.Ends == ""
	return e.Active() && e.Target == "" && !e.Approved && p.Approval != "" && there
}

// waiting is the newest execution of a pipeline, if it waits for its approval.
func (s *State) waiting(pipeline string) *Execution {
	for _, e := range slices.Backward(s.Executions) {
		if e.Pipeline == pipeline && s.waits(e) {
			return e
		}
	}
	return nil
}

func getPipelineState(s *State, in map[string]any) (map[string]any, *Fault) {
	p, fault := s.pipeline(text(in, "name"))
	if fault != nil {
		return nil, fault
	}
	way := map[string]any{"enabled": p.Way.Reason == ""}
	if p.Way.By != "" {
		way["lastChangedBy"], way["lastChangedAt"] = p.Way.By, seconds(p.Way.At)
	}
	if p.Way.Reason != "" {
		way["disabledReason"] = p.Way.Reason
	}
	stage := map[string]any{"stageName": "Deploy", "inboundTransitionState": way}
	if p.Approval != "" { // an action is shown before it has ever run
		action := map[string]any{"actionName": p.Approval}
		if e := s.waiting(text(in, "name")); e != nil {
			stage["latestExecution"] = map[string]any{"pipelineExecutionId": e.ID, "status": "InProgress"}
			action["latestExecution"] = map[string]any{"status": "InProgress", "token": e.ID}
		}
		stage["actionStates"] = []any{action}
	}
	return map[string]any{"pipelineName": text(in, "name"), "stageStates": []any{map[string]any{"stageName": "Source"}, stage}}, nil
}

func putApprovalResult(s *State, in map[string]any) (map[string]any, *Fault) {
	e := s.waiting(text(in, "pipelineName"))
	if e == nil || text(in, "token") != e.ID {
		return nil, &Fault{Code: "InvalidApprovalTokenException", Message: "nothing waits for that"}
	}
	if result, _ := in["result"].(map[string]any); text(result, "status") == "Rejected" {
		e.Status, e.Code, e.Error = "Failed", "ApprovalRejected", text(result, "summary")
		return map[string]any{}, nil
	}
	e.Approved = true
	return map[string]any{"approvedAt": seconds(s.now)}, nil
}

// transition is the one into a stage of a pipeline. Nothing leads into the first.
func (s *State) transition(in map[string]any) (*Transition, *Fault) {
	p, fault := s.pipeline(text(in, "pipelineName"))
	switch {
	case fault != nil:
		return nil, fault
	case text(in, "stageName") != "Deploy" || text(in, "transitionType") != "Inbound":
		return nil, &Fault{Code: "StageNotFoundException", Message: "there is no such transition"}
	}
	return &p.Way, nil
}

func disableStageTransition(s *State, in map[string]any) (map[string]any, *Fault) {
	way, fault := s.transition(in)
	if fault != nil {
		return nil, fault
	}
	*way = Transition{Reason: text(in, "reason"), By: ci, At: s.now}
	return map[string]any{}, nil
}

func enableStageTransition(s *State, in map[string]any) (map[string]any, *Fault) {
	way, fault := s.transition(in)
	if fault != nil {
		return nil, fault
	}
	*way = Transition{By: ci, At: s.now}
	return map[string]any{}, nil
}

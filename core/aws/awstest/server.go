// Package awstest is a small AWS for tests: it keeps what is created, and behaves as documented in the corners that
// matter to a deploy. Every request and every answer is checked against AWS's own models of its services.
package awstest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Account is the number of the account that everybody is in.
const Account = "123456789012"

// A Server is the services of AWS, in any region.
type Server struct {
	t      testing.TB
	url    string
	mu     sync.Mutex
	now    func() time.Time
	in     map[string]*State // by region
	asked  []Request
	who    map[string]string // ARN by access key
	meddle Meddler
	one    sync.Mutex // held while the meddler works: it may keep count
}

// A State is what is there in one region.
type State struct {
	Functions   map[string]*Function     // by name
	Groups      map[string]*Group        // by APPLICATION/GROUP
	Deployments []*Deployment            // of CodeDeploy, oldest first
	Projects    map[string]*Project      // of CodeBuild, by name
	Builds      []*Build                 // oldest first
	Pipelines   map[string]*Pipeline     // by name
	Executions  []*Execution             // of CodePipeline, oldest first
	Services    map[string]*Service      // of ECS, by CLUSTER/SERVICE
	Definitions map[string][]*Definition // task definitions of ECS by family, oldest first

	Repositories map[string]*Repository // of CodeCommit, by name
	Pulls        []*PullRequest         // oldest first
	Lag          int                    // looks that do not show a new comment or approval yet
	AnySession   bool                   // a comment or an approval is that of a role, and not of one session of it

	region  string
	now     time.Time
	caller  string // ARN of who asks
	counter int
}

// A Request is what somebody asked for.
type Request struct {
	Action string // as IAM knows it, such as lambda:GetAlias
	Region string
	Key    string // the access key, which tells who asked
}

// A Fault is an answer that is an error. Lost cuts the connection instead.
type Fault struct {
	Code, Message string
	Lost          bool
}

// A Meddler stands before an operation, which it may or may not let happen.
type Meddler func(action string, in map[string]any, serve func() (map[string]any, *Fault)) (map[string]any, *Fault)

// An operation does what is asked for. It holds the lock.
type operation func(s *State, in map[string]any) (map[string]any, *Fault)

// New starts a server for one test. now is what it takes for the time.
func New(t testing.TB, now func() time.Time) *Server {
	s := &Server{t: t, now: now, in: make(map[string]*State), who: make(map[string]string)}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// Environ is what leads a process to this server.
func (s *Server) Environ() []string {
	return []string{"AWS_ENDPOINT_URL=" + s.url, "AWS_ACCESS_KEY_ID=JOB", "AWS_SECRET_ACCESS_KEY=secret", "AWS_REGION=eu-west-1"}
}

// Lookup is a variable of a process that is led to this server.
func (s *Server) Lookup(name string) string {
	for _, entry := range s.Environ() {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// Look shows the state of a region, and lets it be changed.
func (s *Server) Look(region string, look func(*State)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	look(s.state(region))
}

func (s *Server) state(region string) *State {
	if s.in[region] == nil {
		s.in[region] = &State{region: region, Functions: make(map[string]*Function), Groups: make(map[string]*Group),
			Projects: make(map[string]*Project), Pipelines: make(map[string]*Pipeline),
			Services: make(map[string]*Service), Definitions: make(map[string][]*Definition), Repositories: make(map[string]*Repository)}
	}
	s.in[region].now = s.now()
	return s.in[region]
}

// Identify says who has an access key; without that it is a user named ci.
func (s *Server) Identify(key, arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.who[key] = arn
}

// arn is who has a key. The lock is held.
func (s *Server) arn(key string) string {
	return cmp.Or(s.who[key], "arn:aws:iam::"+Account+":user/ci")
}

// Asked is every request so far.
func (s *Server) Asked() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// Meddle has m stand before every operation from now on.
func (s *Server) Meddle(m Meddler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meddle = m
}

var signed = regexp.MustCompile(`Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request`)

// ServeHTTP finds the operation that is asked for, and checks both ways.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	by := signed.FindStringSubmatch(r.Header.Get("Authorization"))
	if by == nil {
		s.t.Errorf("%s %s is not signed", r.Method, r.URL)
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if by[3] == "sts" {
		s.identity(w, r, by[1], by[2])
		return
	}
	m, name, in := find(r)
	if m == nil {
		s.t.Errorf("nobody knows %s %s %s", r.Method, r.URL, r.Header.Get("X-Amz-Target"))
		w.WriteHeader(http.StatusNotFound)
		return
	}
	action := m.service + ":" + name
	s.note(Request{Action: action, Region: by[2], Key: by[1]})
	in, err := body(r, in)
	if err == nil {
		err = m.check(name, m.Operations[name].Input, in)
	}
	do, has := operations[action]
	if err != nil || !has {
		s.t.Errorf("%s is refused: %v", action, err)
		s.fail(w, m, name, Fault{Code: "ValidationException", Message: fmt.Sprint(err)})
		return
	}
	s.answer(w, m, name, func(serve func(operation) (map[string]any, *Fault)) (map[string]any, *Fault) {
		s.mu.Lock()
		meddle := s.meddle
		s.mu.Unlock()
		if meddle == nil {
			return serve(do)
		}
		s.one.Lock()
		defer s.one.Unlock()
		return meddle(action, in, func() (map[string]any, *Fault) { return serve(do) })
	}, by[1], by[2], in)
}

// answer lets an operation happen and writes what came of it, which must be what the model says.
func (s *Server) answer(w http.ResponseWriter, m *model, name string,
	happen func(serve func(operation) (map[string]any, *Fault)) (map[string]any, *Fault), key, region string, in map[string]any,
) {
	out, fault := happen(func(do operation) (map[string]any, *Fault) {
		s.mu.Lock()
		defer s.mu.Unlock()
		state := s.state(region)
		state.caller = s.arn(key)
		return do(state, in)
	})
	if fault != nil {
		s.fail(w, m, name, *fault)
		return
	}
	text, err := json.Marshal(out)
	var sent map[string]any
	if err == nil {
		err = json.Unmarshal(text, &sent)
	}
	if err == nil && sent == nil {
		sent = make(map[string]any)
	}
	if err == nil {
		err = m.check(name+" answer", m.Operations[name].Output, sent)
	}
	if err != nil {
		s.t.Errorf("the fake is wrong: %v", err)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(max(m.Operations[name].HTTP.ResponseCode, http.StatusOK))
	w.Write(text)
}

// anywhere are the faults that any operation may have, whatever its model says.
var anywhere = map[string]int{
	"ThrottlingException": http.StatusBadRequest, "AccessDeniedException": http.StatusForbidden,
	"ValidationException": http.StatusBadRequest, "InternalFailure": http.StatusInternalServerError,
}

func (s *Server) fail(w http.ResponseWriter, m *model, name string, fault Fault) {
	if fault.Lost {
		panic(http.ErrAbortHandler)
	}
	status, declared := m.declares(name, fault.Code)
	if !declared {
		if status, declared = anywhere[fault.Code]; !declared {
			s.t.Errorf("the fake is wrong: %s never fails with %s", name, fault.Code)
		}
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-ErrorType", fault.Code)
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"__type": fault.Code, "message": fault.Message})
}

func (s *Server) note(r Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r)
}

// body reads the members of a request's body, beside those that its path has.
func body(r *http.Request, in map[string]any) (map[string]any, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	all := make(map[string]any)
	if len(text) > 0 {
		if err := json.Unmarshal(text, &all); err != nil {
			return nil, err
		}
	}
	maps.Copy(all, in)
	return all, nil
}

// text is a member that is a text; empty if it is not there.
func text(in map[string]any, name string) string {
	v, _ := in[name].(string)
	return v
}

// operations are all that this AWS has.
var operations = map[string]operation{
	"codebuild:BatchGetBuilds":                  batchGetBuilds,
	"codebuild:ListBuildsForProject":            listBuildsForProject,
	"codebuild:StartBuild":                      startBuild,
	"codebuild:StopBuild":                       stopBuild,
	"codecommit:GetBranch":                      getBranch,
	"codecommit:GetCommentsForComparedCommit":   getCommentsForComparedCommit,
	"codecommit:GetCommentsForPullRequest":      getCommentsForPullRequest,
	"codecommit:GetCommit":                      getCommit,
	"codecommit:GetFile":                        getFile,
	"codecommit:GetPullRequest":                 getPullRequest,
	"codecommit:GetPullRequestApprovalStates":   getPullRequestApprovalStates,
	"codecommit:ListPullRequests":               listPullRequests,
	"codecommit:PostCommentForComparedCommit":   postCommentForComparedCommit,
	"codecommit:PostCommentForPullRequest":      postCommentForPullRequest,
	"codecommit:UpdateComment":                  updateComment,
	"codecommit:UpdatePullRequestApprovalState": updatePullRequestApprovalState,
	"codedeploy:BatchGetDeploymentTargets":      batchGetDeploymentTargets,
	"codedeploy:BatchGetDeployments":            batchGetDeployments,
	"codedeploy:ContinueDeployment":             continueDeployment,
	"codedeploy:CreateDeployment":               createDeployment,
	"codedeploy:GetDeployment":                  getDeployment,
	"codedeploy:GetDeploymentGroup":             getDeploymentGroup,
	"codedeploy:ListDeploymentTargets":          listDeploymentTargets,
	"codedeploy:ListDeployments":                listDeployments,
	"codedeploy:StopDeployment":                 stopDeployment,
	"codepipeline:DisableStageTransition":       disableStageTransition,
	"codepipeline:EnableStageTransition":        enableStageTransition,
	"codepipeline:GetPipelineExecution":         getPipelineExecution,
	"codepipeline:GetPipelineState":             getPipelineState,
	"codepipeline:ListActionExecutions":         listActionExecutions,
	"codepipeline:ListPipelineExecutions":       listPipelineExecutions,
	"codepipeline:PutApprovalResult":            putApprovalResult,
	"codepipeline:RollbackStage":                rollbackStage,
	"codepipeline:StartPipelineExecution":       startPipelineExecution,
	"codepipeline:StopPipelineExecution":        stopPipelineExecution,
	"ecs:ContinueServiceDeployment":             continueServiceDeployment,
	"ecs:DescribeServiceDeployments":            describeServiceDeployments,
	"ecs:DescribeServiceRevisions":              describeServiceRevisions,
	"ecs:DescribeServices":                      describeServices,
	"ecs:DescribeTaskDefinition":                describeTaskDefinition,
	"ecs:ListServiceDeployments":                listServiceDeployments,
	"ecs:RegisterTaskDefinition":                registerTaskDefinition,
	"ecs:StopServiceDeployment":                 stopServiceDeployment,
	"ecs:UpdateService":                         updateService,
	"lambda:GetAlias":                           getAlias,
	"lambda:GetFunctionConfiguration":           getFunctionConfiguration,
	"lambda:ListVersionsByFunction":             listVersions,
	"lambda:PublishVersion":                     publishVersion,
	"lambda:UpdateAlias":                        updateAlias,
	"lambda:UpdateFunctionCode":                 updateFunctionCode,
}

// Package gitlabtest is a small GitLab: one project with its branches and files, commit statuses, pipelines, merge
// requests, notes, jobs and freeze periods. Its repository is a real bare one, which git reaches over HTTP as well.
//
// It is strict: a parameter or a field that GitLab's documentation does not name, or a request that Breakwater does not
// say that it makes, fails the test that uses it. Answers have the documented codes.
package gitlabtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/breakwater-ci/breakwater/core/standin"
)

const (
	// Project is the one that there is.
	Project = "acme/shop"

	// Token is a project access token with the scope api. JobToken is that of a job, which may do less.
	Token    = "glpat-fake"
	JobToken = "job-fake"

	// Me is the user that the project access token acts as.
	Me = 41
)

// A Server is GitLab with one project.
type Server struct {
	standin.Front // of the API; what is noted is METHOD PATH, without the project's part of the path

	URL string // of the API
	Web string // of the project
	Dir string // the bare repository

	t   testing.TB
	mux *http.ServeMux

	mu     sync.Mutex
	state  State
	nextID int
	racing func()
}

// State is what the project holds beside its repository.
type State struct {
	Statuses  []Status
	Pipelines []Pipeline
	Merges    []MergeRequest
	Notes     []Note
	Jobs      []Job
	Freezes   []FreezePeriod

	Deployments []Deployment

	Checks  []int    // external status checks of the project; none: its tier has none
	Answers []Answer // that they got

	JobsMayPush bool // the setting that lets job tokens push

	Starts      func(*Pipeline) // what becomes of a pipeline that is created; nil: it stays pending
	Plays       func(*Job)      // what becomes of a job that is played, or started again; nil: it stays pending
	NoVariables bool            // the setting that lets nobody use pipeline variables
}

// New starts a server that ends with the test. The project has one commit on its branch main.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{Dir: filepath.Join(t.TempDir(), "shop.git"), t: t, mux: http.NewServeMux(), nextID: 1000}
	if out, err := exec.CommandContext(t.Context(), "git", "init", "--quiet", "--bare", "-b", "main", s.Dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	s.seed()
	s.routesFiles()
	s.routesCommits()
	s.routesStatuses()
	s.routesMerges()
	s.routesJobs()
	s.routesPipelines()
	s.routesManual()
	s.routesGraphQL()
	s.routesFreezes()
	s.routesChecks()
	s.routesDeployments()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL, s.Web = server.URL+"/api/v4", server.URL+"/"+Project
	return s
}

// Environ is what a job of the project knows of the server, with the project access token.
func (s *Server) Environ() []string { return append(s.JobEnviron(), "BREAKWATER_TOKEN="+Token) }

// JobEnviron is what a job knows without such a token.
func (s *Server) JobEnviron() []string {
	return []string{"CI_API_V4_URL=" + s.URL, "CI_PROJECT_PATH=" + Project, "CI_PROJECT_URL=" + s.Web, "CI_JOB_TOKEN=" + JobToken}
}

// Look gives the state to a function, which may change it.
func (s *Server) Look(do func(*State)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(&s.state)
}

// A Meddler stands before the server.
type Meddler = standin.Meddler

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/"+Project+".git/") {
		s.serveGit(w, r)
		return
	}
	s.Note(r.Method + " " + strings.TrimPrefix(r.URL.Path, "/api/v4/projects/"+Project))
	s.Serve(w, r, s.serve)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if _, pattern := s.mux.Handler(r); pattern == "" {
		s.t.Errorf("GitLab was asked for %s %s, which is not among what Breakwater says that it uses", r.Method, r.URL)
		refuse(w, http.StatusNotFound, "404 Not Found")
		return
	}
	s.mux.ServeHTTP(w, r)
}

// An operation handles a request whose body was read. It answers with a value that becomes JSON, or with a failure.
type operation func(r *http.Request, body map[string]any) (status int, answer any)

// failure is an operation's refusal.
type failure string

// An endpoint is one that GitLab documents.
type endpoint struct {
	method, path string
	query        []string // parameters that it knows, beside those of pages
	fields       []string // of the body; one with ! in front is required
	jobs         bool     // a job's own token may use it
}

func (s *Server) handle(e endpoint, do operation) {
	s.mux.HandleFunc(e.method+" /api/v4"+e.path, func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client went away
		}
		personal, job := r.Header.Get("PRIVATE-TOKEN"), r.Header.Get("JOB-TOKEN")
		switch {
		case personal == Token:
		case job == JobToken && e.jobs:
		case job == JobToken:
			refuse(w, http.StatusForbidden, "403 Forbidden")
			return
		default:
			refuse(w, http.StatusUnauthorized, "401 Unauthorized")
			return
		}
		if id := r.PathValue("id"); id != "" && id != Project {
			refuse(w, http.StatusNotFound, "404 Project Not Found")
			return
		}
		body, wrong := e.check(r, text)
		if wrong != "" {
			s.t.Errorf("%s %s is not what GitLab documents: %s", r.Method, r.URL, wrong)
			refuse(w, http.StatusBadRequest, wrong)
			return
		}
		status, answer := do(r, body)
		if why, failed := answer.(failure); failed {
			refuse(w, status, string(why))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if p, ok := answer.(paged); ok {
			w.Header().Set("X-Next-Page", p.next())
		}
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(answer) // the client may be gone
	})
}

// check says what is wrong with a request.
func (e endpoint) check(r *http.Request, text []byte) (body map[string]any, wrong string) {
	for name := range r.URL.Query() {
		if !slices.Contains(append(e.query, "page", "per_page"), name) {
			return nil, "unknown parameter " + name
		}
	}
	if len(text) > 0 {
		if err := json.NewDecoder(bytes.NewReader(text)).Decode(&body); err != nil {
			return nil, "the body is no JSON: " + err.Error()
		}
	}
	for name := range body {
		if !slices.Contains(e.fields, name) && !slices.Contains(e.fields, "!"+name) {
			return nil, "unknown field " + name
		}
	}
	for _, name := range e.fields {
		if must, required := strings.CutPrefix(name, "!"); required && body[must] == nil {
			return nil, must + " is missing"
		}
	}
	return body, ""
}

// refuse answers with an error in GitLab's form.
func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"message": message})
}

// id gives out the next one. The lock is held.
func (s *Server) id() int {
	s.nextID++
	return s.nextID
}

// list is a list of objects, cut to the page that was asked for.
func list[T any](r *http.Request, all []T, object func(T) map[string]any) (int, any) {
	size, err := strconv.Atoi(r.FormValue("per_page"))
	if err != nil {
		size = 20
	}
	number, err := strconv.Atoi(r.FormValue("page"))
	if err != nil {
		number = 1
	}
	from := min(len(all), (max(number, 1)-1)*size)
	out := []any{}
	for _, each := range all[from:min(len(all), from+size)] {
		out = append(out, object(each))
	}
	return http.StatusOK, paged{out, number, from+size < len(all)}
}

// paged is a page of a list; GitLab says in a header which is the next.
type paged struct {
	items []any
	page  int
	more  bool
}

// MarshalJSON implements [json.Marshaler].
func (p paged) MarshalJSON() ([]byte, error) { return json.Marshal(p.items) }

func (p paged) next() string {
	if !p.more {
		return ""
	}
	return fmt.Sprint(p.page + 1)
}

func text(body map[string]any, key string) string {
	said, _ := body[key].(string)
	return said
}

func number(r *http.Request, name string) int {
	n, _ := strconv.Atoi(r.PathValue(name))
	return n
}

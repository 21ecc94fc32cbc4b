// Package githubtest is a small GitHub: one repository with its git objects, statuses, check runs, deployments, pull
// requests, comments and workflow runs. Objects and refs are those of a real bare repository, so what comes in by the API
// can be read by git, and the other way round.
//
// Every request and every answer is checked against GitHub's own description of its API: a fake that answers what GitHub
// would not, or takes what GitHub would refuse, fails the test that uses it.
package githubtest

import (
	"bytes"
	_ "embed"
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
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/breakwater-ci/breakwater/core/standin"
)

// description is GitHub's description of its API, cut to what is served here; see openapi.mjs.
//
//go:embed openapi.json
var description []byte

// document is the description, read once.
var document = sync.OnceValues(func() (*openapi3.T, error) { return openapi3.NewLoader().LoadFromData(description) })

const (
	// Repository is the one that there is.
	Repository = "octo/shop"

	// Token is what lets in.
	Token = "fake-token"

	prefix = "/repos/{owner}/{repo}"
)

// A Server is GitHub with one repository.
type Server struct {
	standin.Front // what is noted is METHOD PATH, without the repository's part of the path

	URL string // of the API
	Dir string // the bare repository

	t   testing.TB
	doc *openapi3.T
	mux *http.ServeMux

	mu     sync.Mutex
	state  State
	nextID int64
}

// State is what the repository holds beside its objects.
type State struct {
	Statuses    []Status
	Checks      []Check
	Deployments []Deployment
	Pulls       []Pull
	Comments    []Comment
	Runs        []Run

	Workflows []Workflow // that can be started by hand
	Public    bool       // anybody may see the repository
}

// A Status is one of a commit.
type Status struct{ SHA, Context, State, Description, URL string }

// A Check is a check run.
type Check struct {
	ID                 int64
	SHA, Name          string
	Status, Conclusion string
	Title, Summary     string
	External, Details  string
	Notes              []Note
}

// A Pull is an open pull request.
type Pull struct {
	Number    int
	SHA, Base string
	Labels    []string
	Merged    string // commit that it was merged as; empty: it is open
}

// A Comment is one of a pull request.
type Comment struct {
	ID     int64
	Issue  int
	Author string // User or Bot
	Body   string
}

// A Run is one of a workflow.
type Run struct {
	ID                 int64
	Workflow           string // file name
	Attempt            int
	Event, SHA, Branch string
	Title              string
	Status, Conclusion string // queued, in_progress, completed; success, failure, ...
	Created            time.Time

	Inputs   map[string]string // that it was started with
	Jobs     []Job
	Stubborn bool // it goes on although it was cancelled
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shop.git")
	if out, err := exec.CommandContext(t.Context(), "git", "init", "--quiet", "--bare", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	return Serve(t, dir)
}

// Serve starts a server for a bare repository that is there already.
func Serve(t testing.TB, dir string) *Server {
	t.Helper()
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Dir: dir, t: t, doc: doc, mux: http.NewServeMux(), nextID: 1000}
	s.routes()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Environ is what a job in the repository knows of the server.
func (s *Server) Environ() []string {
	return []string{"GITHUB_API_URL=" + s.URL, "GITHUB_REPOSITORY=" + Repository, "GITHUB_TOKEN=" + Token}
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
	s.Note(r.Method + " " + strings.TrimPrefix(r.URL.Path, "/repos/"+Repository))
	s.Serve(w, r, s.serve)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	switch _, pattern := s.mux.Handler(r); {
	case r.Header.Get("Authorization") != "Bearer "+Token:
		refuse(w, http.StatusUnauthorized, "Bad credentials")
	case pattern == "" || !strings.HasPrefix(r.URL.Path+"/", "/repos/"+Repository+"/"):
		s.t.Errorf("GitHub was asked for %s %s, which is not among what Breakwater says that it uses", r.Method, r.URL)
		refuse(w, http.StatusNotFound, "Not Found")
	default:
		s.mux.ServeHTTP(w, r)
	}
}

// An operation handles a request whose body was read. It answers with a value that becomes JSON, or with nil.
type operation func(r *http.Request, body map[string]any) (status int, answer any)

// failure is an operation's refusal.
type failure string

// handle registers an operation of the description, by the path that it has there.
func (s *Server) handle(method, path string, do operation) {
	item := s.doc.Paths.Value(prefix + path)
	if item == nil || item.GetOperation(method) == nil {
		s.t.Fatalf("the description has no %s %s", method, path)
	}
	route := &routers.Route{Spec: s.doc, Path: prefix + path, PathItem: item, Method: method, Operation: item.GetOperation(method)}
	pattern := strings.Replace(prefix+path, "{ref}", "{ref...}", 1)
	if !strings.HasSuffix(path, "{ref}") {
		pattern = prefix + path
	}
	s.mux.HandleFunc(method+" "+pattern, func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client went away
		}
		input := s.input(route, r, text)
		if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
			s.t.Errorf("%s %s is not what GitHub describes: %v", method, r.URL, err)
			refuse(w, http.StatusUnprocessableEntity, "Validation Failed")
			return
		}
		var body map[string]any
		if len(text) > 0 {
			_ = json.Unmarshal(text, &body) // it is valid
		}
		status, answer := do(r, body)
		if why, failed := answer.(failure); failed {
			refuse(w, status, string(why))
			return
		}
		s.answer(w, input, status, answer)
	})
}

func (s *Server) input(route *routers.Route, r *http.Request, body []byte) *openapi3filter.RequestValidationInput {
	params := make(map[string]string)
	for _, p := range append(slices.Clone(route.PathItem.Parameters), route.Operation.Parameters...) {
		if p.Value.In == "path" {
			params[p.Value.Name] = r.PathValue(p.Value.Name)
		}
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	if len(body) == 0 {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	return &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}}
}

// answer sends what an operation says, after a look at whether GitHub could have said it.
func (s *Server) answer(w http.ResponseWriter, input *openapi3filter.RequestValidationInput, status int, answer any) {
	var text []byte
	header := w.Header()
	if answer != nil {
		if said := input.Route.Operation.Responses.Status(status); said != nil && said.Value != nil {
			if media := said.Value.Content.Get("application/json"); media != nil {
				answer = fill(media.Schema, answer)
			}
		}
		var err error
		if text, err = json.Marshal(answer); err != nil {
			s.t.Errorf("the fake's answer: %v", err)
		}
		header.Set("Content-Type", "application/json; charset=utf-8")
	}
	said := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: status, Header: header, Options: input.Options}
	said.SetBodyBytes(text)
	if err := openapi3filter.ValidateResponse(input.Request.Context(), said); err != nil {
		s.t.Errorf("the fake's answer to %s %s is not what GitHub describes: %v", input.Request.Method, input.Request.URL, err)
	}
	if input.Request.Method == http.MethodGet && status == http.StatusOK {
		tag := fmt.Sprintf(`W/"%x"`, sum(text))
		header.Set("ETag", tag)
		if input.Request.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.WriteHeader(status)
	w.Write(text) // the client may be gone
}

// refuse answers with an error in GitHub's form.
func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"message": message, "documentation_url": "https://docs.github.com/rest"})
}

// id gives out the next one. The lock is held.
func (s *Server) id() int64 {
	s.nextID++
	return s.nextID
}

// page cuts a list as a request asks.
func page[T any](r *http.Request, all []T) []T {
	size, err := strconv.Atoi(r.FormValue("per_page"))
	if err != nil {
		size = 30
	}
	number, err := strconv.Atoi(r.FormValue("page"))
	if err != nil {
		number = 1
	}
	from := min(len(all), (max(number, 1)-1)*size)
	return all[from:min(len(all), from+size)]
}

func text(body map[string]any, key string) string {
	said, _ := body[key].(string)
	return said
}

package awstest

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Repository is one of CodeCommit.
type Repository struct {
	Branches map[string]string  // commit by name
	Tags     map[string]string  // commit by name
	Commits  map[string]*Commit // by their full ids
	Comments []*Comment         // on commits and pull requests, oldest first
}

// A Commit is one of a repository.
type Commit struct {
	Parents []string
	Files   map[string]string // text by path
	Links   []string          // paths that are symbolic links
}

// A Comment is one on a commit, or on a pull request.
type Comment struct {
	ID, Author, Content string
	Commit, Before      string
	Pull                string // id of the pull request; empty: it is on the commit
	Token               string // that it was made with
	Deleted             bool
	Unseen              int // lists that do not show it yet

	made time.Time
}

// A PullRequest is one of CodeCommit. Ids count through all repositories of a region.
type PullRequest struct {
	ID, Repository, Title, Author string
	Source, Destination           string // branches
	Commit, Into                  string // tips of the two
	Revision                      string
	Rules                         map[string]string // content of approval rules by their names
	Closed                        bool
	Merged                        string // commit of the merge; empty: it was not merged

	Approvals map[string]string // revision and ARN of who approved: "REVISION ARN" to APPROVE

	was    map[string]string // the approvals as they still show
	unseen int               // looks that still show them so
}

// Push moves a branch on to a new commit with these files, and the open pull requests from there.
func (s *State) Push(repository, branch string, files map[string]string) string {
	r := s.Repositories[repository]
	if r == nil {
		r = &Repository{Branches: make(map[string]string), Tags: make(map[string]string), Commits: make(map[string]*Commit)}
		s.Repositories[repository] = r
	}
	s.counter++
	id := fmt.Sprintf("%040x", 0xc0de<<16+s.counter)
	c := &Commit{Files: files}
	if was := r.Branches[branch]; was != "" {
		c.Parents = []string{was}
	}
	r.Commits[id], r.Branches[branch] = c, id
	for _, p := range s.Pulls {
		if p.Repository == repository && p.Source == branch && !p.Closed {
			p.Commit, p.Revision = id, s.revision()
		}
	}
	return id
}

func (s *State) revision() string {
	s.counter++
	return fmt.Sprintf("%064x", s.counter)
}

// Ask opens a pull request.
func (s *State) Ask(p PullRequest) *PullRequest {
	s.counter++
	r := s.Repositories[p.Repository]
	p.ID, p.Revision, p.Approvals = strconv.Itoa(len(s.Pulls)+1), s.revision(), make(map[string]string)
	p.Commit, p.Into = r.Branches[p.Source], r.Branches[p.Destination]
	s.Pulls = append(s.Pulls, &p)
	return &p
}

// mine reports whether somebody is the one who asks now: the same session of a role, or any where a region says so.
func (s *State) mine(arn string) bool {
	role := func(arn string) string {
		if strings.Contains(arn, ":assumed-role/") {
			return arn[:strings.LastIndexByte(arn, '/')]
		}
		return arn
	}
	return arn == s.caller || s.AnySession && role(arn) == role(s.caller)
}

func (s *State) repository(in map[string]any) (*Repository, *Fault) {
	name := text(in, "repositoryName")
	if r := s.Repositories[name]; r != nil {
		return r, nil
	}
	return nil, &Fault{Code: "RepositoryDoesNotExistException", Message: name + " does not exist"}
}

func getBranch(s *State, in map[string]any) (map[string]any, *Fault) {
	r, fault := s.repository(in)
	if fault != nil {
		return nil, fault
	}
	name := text(in, "branchName")
	commit := r.Branches[name]
	switch {
	case name == "":
		return nil, &Fault{Code: "BranchNameRequiredException", Message: "a branch name is required"}
	case strings.ContainsAny(name, " ~^:?*[\\"):
		return nil, &Fault{Code: "InvalidBranchNameException", Message: "the branch name is not valid"}
	case commit == "":
		return nil, &Fault{Code: "BranchDoesNotExistException", Message: name + " does not exist"}
	}
	return map[string]any{"branch": map[string]any{"branchName": name, "commitId": commit}}, nil
}

func getCommit(s *State, in map[string]any) (map[string]any, *Fault) {
	r, fault := s.repository(in)
	if fault != nil {
		return nil, fault
	}
	id := text(in, "commitId")
	c := r.Commits[id]
	switch {
	case len(id) != 40:
		return nil, &Fault{Code: "InvalidCommitIdException", Message: "the commit id is not valid"}
	case c == nil:
		return nil, &Fault{Code: "CommitIdDoesNotExistException", Message: id + " does not exist"}
	}
	parents := []any{}
	for _, p := range c.Parents {
		parents = append(parents, p)
	}
	return map[string]any{"commit": map[string]any{"commitId": id, "parents": parents, "message": "a change\n"}}, nil
}

// resolve is the commit that a full id, a reference, or the name of a branch or a tag stands for.
func (r *Repository) resolve(asked string) string {
	branch, isBranch := strings.CutPrefix(asked, "refs/heads/")
	tag, isTag := strings.CutPrefix(asked, "refs/tags/")
	switch {
	case r.Commits[asked] != nil:
		return asked
	case isBranch:
		return r.Branches[branch]
	case isTag:
		return r.Tags[tag]
	default:
		return cmp.Or(r.Branches[asked], r.Tags[asked])
	}
}

func getFile(s *State, in map[string]any) (map[string]any, *Fault) {
	r, fault := s.repository(in)
	if fault != nil {
		return nil, fault
	}
	asked := text(in, "commitSpecifier")
	id := r.resolve(asked)
	if id == "" {
		return nil, &Fault{Code: "CommitDoesNotExistException", Message: "Could not find " + asked}
	}
	path := text(in, "filePath")
	content, ok := r.Commits[id].Files[path]
	switch {
	case strings.HasPrefix(path, "/") || strings.Contains(path, ".."):
		return nil, &Fault{Code: "InvalidPathException", Message: "the path is not valid"}
	case !ok:
		return nil, &Fault{Code: "FileDoesNotExistException", Message: "Could not find path " + path}
	case len(content) > 6<<20:
		return nil, &Fault{Code: "FileTooLargeException", Message: path + " is larger than 6 MB"}
	}
	mode := "NORMAL"
	if slices.Contains(r.Commits[id].Links, path) {
		mode = "SYMLINK"
	}
	return map[string]any{"commitId": id, "blobId": fmt.Sprintf("%040x", len(content)), "filePath": path, "fileMode": mode,
		"fileSize": len(content), "fileContent": base64.StdEncoding.EncodeToString([]byte(content))}, nil
}

// commitPage is how much of a list CodeCommit gives at once here.
const commitPage = 3

// page is a part of a list, and where the next begins.
func page[T any](in map[string]any, all []T) ([]T, string, *Fault) {
	from := 0
	if token := text(in, "nextToken"); token != "" {
		var err error
		if from, err = strconv.Atoi(token); err != nil || from > len(all) {
			return nil, "", &Fault{Code: "InvalidContinuationTokenException", Message: "the token is not valid"}
		}
	}
	until := min(from+commitPage, len(all))
	next := ""
	if until < len(all) {
		next = strconv.Itoa(until)
	}
	return all[from:until], next, nil
}

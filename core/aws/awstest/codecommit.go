package awstest

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
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

func getFile(s *State, in map[string]any) (map[string]any, *Fault) {
	r, fault := s.repository(in)
	if fault != nil {
		return nil, fault
	}
	asked := text(in, "commitSpecifier")
	id := asked
	if r.Commits[id] == nil {
		id = r.Branches[strings.TrimPrefix(asked, "refs/heads/")]
	}
	if id == "" && !strings.HasPrefix(asked, "refs/heads/") {
		id = r.Tags[strings.TrimPrefix(asked, "refs/tags/")]
	}
	if strings.HasPrefix(asked, "refs/tags/") {
		id = r.Tags[strings.TrimPrefix(asked, "refs/tags/")]
	}
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

func (c *Comment) answer() map[string]any {
	out := map[string]any{"commentId": c.ID, "authorArn": c.Author, "content": c.Content, "deleted": c.Deleted,
		"creationDate": seconds(c.made), "lastModifiedDate": seconds(c.made)}
	if c.Token != "" {
		out["clientRequestToken"] = c.Token
	}
	return out
}

// comments lists what is said of something.
func (s *State) comments(r *Repository, in map[string]any, key string, of func(c *Comment) bool) (map[string]any, *Fault) {
	var all []*Comment
	for _, c := range r.Comments {
		switch {
		case !of(c):
		case c.Unseen > 0:
			c.Unseen--
		default:
			all = append(all, c)
		}
	}
	part, next, fault := page(in, all)
	if fault != nil {
		return nil, fault
	}
	data := []any{}
	for _, c := range part {
		about := map[string]any{"repositoryName": text(in, "repositoryName"), "afterCommitId": c.Commit, "comments": []any{c.answer()}}
		if c.Before != "" {
			about["beforeCommitId"] = c.Before
		}
		data = append(data, about)
	}
	out := map[string]any{key: data}
	if next != "" {
		out["nextToken"] = next
	}
	return out, nil
}

func getCommentsForComparedCommit(s *State, in map[string]any) (map[string]any, *Fault) {
	r, fault := s.repository(in)
	if fault != nil {
		return nil, fault
	}
	after := text(in, "afterCommitId")
	if r.Commits[after] == nil {
		return nil, &Fault{Code: "CommitDoesNotExistException", Message: after + " does not exist"}
	}
	return s.comments(r, in, "commentsForComparedCommitData", func(c *Comment) bool { return c.Commit == after && c.Pull == "" })
}

func getCommentsForPullRequest(s *State, in map[string]any) (map[string]any, *Fault) {
	p, fault := s.pull(in)
	if fault != nil {
		return nil, fault
	}
	return s.comments(s.Repositories[p.Repository], in, "commentsForPullRequestData", func(c *Comment) bool { return c.Pull == p.ID })
}

func postCommentForComparedCommit(s *State, in map[string]any) (map[string]any, *Fault) {
	r, fault := s.repository(in)
	if fault != nil {
		return nil, fault
	}
	after, before := text(in, "afterCommitId"), text(in, "beforeCommitId")
	c := r.Commits[after]
	switch {
	case c == nil || before != "" && r.Commits[before] == nil:
		return nil, &Fault{Code: "CommitDoesNotExistException", Message: "a commit does not exist"}
	case before == after:
		return nil, &Fault{Code: "BeforeCommitIdAndAfterCommitIdAreSameException", Message: "they are the same"}
	case before == "" && len(c.Parents) > 0:
		return nil, &Fault{Code: "CommitIdRequiredException", Message: "the commit is not the initial one"}
	}
	return s.comment(r, in, Comment{Commit: after, Before: before})
}

func postCommentForPullRequest(s *State, in map[string]any) (map[string]any, *Fault) {
	p, fault := s.pull(in)
	if fault != nil {
		return nil, fault
	}
	r, fault := s.repository(in)
	if fault != nil {
		return nil, fault
	}
	after, before := text(in, "afterCommitId"), text(in, "beforeCommitId")
	switch {
	case text(in, "repositoryName") != p.Repository:
		return nil, &Fault{Code: "RepositoryNotAssociatedWithPullRequestException", Message: "it is of another repository"}
	case r.Commits[after] == nil || r.Commits[before] == nil:
		return nil, &Fault{Code: "CommitDoesNotExistException", Message: "a commit does not exist"}
	}
	return s.comment(r, in, Comment{Commit: after, Before: before, Pull: p.ID})
}

// comment adds one, but not twice with one token.
func (s *State) comment(r *Repository, in map[string]any, c Comment) (map[string]any, *Fault) {
	c.Content, c.Token, c.Author, c.made, c.Unseen = text(in, "content"), text(in, "clientRequestToken"), s.caller, s.now, s.Lag
	if utf8.RuneCountInString(c.Content) > 10240 {
		return nil, &Fault{Code: "CommentContentSizeLimitExceededException", Message: "The comment is too large"}
	}
	made := &c
	for _, is := range r.Comments {
		if c.Token == "" || is.Token != c.Token {
			continue
		}
		if is.Content != c.Content || is.Commit != c.Commit || is.Before != c.Before || is.Pull != c.Pull {
			return nil, &Fault{Code: "IdempotencyParameterMismatchException", Message: "the parameters are not those of the token"}
		}
		made = is
	}
	if made == &c {
		s.counter++
		c.ID = fmt.Sprintf("%08x-1111-2222-3333-444444444444:5555", s.counter)
		r.Comments = append(r.Comments, made)
	}
	return map[string]any{"comment": made.answer(), "repositoryName": text(in, "repositoryName"), "afterCommitId": made.Commit}, nil
}

func updateComment(s *State, in map[string]any) (map[string]any, *Fault) {
	for _, r := range s.Repositories {
		for _, c := range r.Comments {
			switch {
			case c.ID != text(in, "commentId"):
				continue
			case c.Deleted:
				return nil, &Fault{Code: "CommentDeletedException", Message: "it is deleted"}
			case !s.mine(c.Author):
				return nil, &Fault{Code: "CommentNotCreatedByCallerException", Message: "you did not create it"}
			case utf8.RuneCountInString(text(in, "content")) > 10240:
				return nil, &Fault{Code: "CommentContentSizeLimitExceededException", Message: "The comment is too large"}
			}
			c.Content = text(in, "content")
			return map[string]any{"comment": c.answer()}, nil
		}
	}
	return nil, &Fault{Code: "CommentDoesNotExistException", Message: "it does not exist"}
}

func (s *State) pull(in map[string]any) (*PullRequest, *Fault) {
	for _, p := range s.Pulls {
		if p.ID == text(in, "pullRequestId") {
			return p, nil
		}
	}
	return nil, &Fault{Code: "PullRequestDoesNotExistException", Message: "it does not exist"}
}

func listPullRequests(s *State, in map[string]any) (map[string]any, *Fault) {
	if _, fault := s.repository(in); fault != nil {
		return nil, fault
	}
	ids := []any{}
	for _, p := range s.Pulls {
		status := text(in, "pullRequestStatus")
		if p.Repository == text(in, "repositoryName") && (status == "" || (status == "CLOSED") == p.Closed) {
			ids = append(ids, p.ID)
		}
	}
	part, next, fault := page(in, ids)
	if fault != nil {
		return nil, fault
	}
	out := map[string]any{"pullRequestIds": part}
	if next != "" {
		out["nextToken"] = next
	}
	return out, nil
}

func getPullRequest(s *State, in map[string]any) (map[string]any, *Fault) {
	p, fault := s.pull(in)
	if fault != nil {
		return nil, fault
	}
	merge := map[string]any{"isMerged": p.Merged != ""}
	if p.Merged != "" {
		merge["mergeCommitId"] = p.Merged
	}
	rules := []any{}
	for name, content := range p.Rules {
		rules = append(rules, map[string]any{"approvalRuleName": name, "approvalRuleContent": content})
	}
	status := "OPEN"
	if p.Closed {
		status = "CLOSED"
	}
	return map[string]any{"pullRequest": map[string]any{
		"pullRequestId": p.ID, "title": p.Title, "authorArn": p.Author, "pullRequestStatus": status, "revisionId": p.Revision, "approvalRules": rules,
		"pullRequestTargets": []any{map[string]any{"repositoryName": p.Repository, "sourceReference": "refs/heads/" + p.Source,
			"destinationReference": "refs/heads/" + p.Destination, "sourceCommit": p.Commit, "destinationCommit": p.Into, "mergeMetadata": merge}},
	}}, nil
}

func getPullRequestApprovalStates(s *State, in map[string]any) (map[string]any, *Fault) {
	p, fault := s.pull(in)
	if fault != nil {
		return nil, fault
	}
	if len(text(in, "revisionId")) != 64 {
		return nil, &Fault{Code: "InvalidRevisionIdException", Message: "the revision id is not valid"}
	}
	approvals := []any{}
	for by := range p.Approvals {
		if arn, ok := strings.CutPrefix(by, text(in, "revisionId")+" "); ok {
			approvals = append(approvals, map[string]any{"userArn": arn, "approvalState": "APPROVE"})
		}
	}
	return map[string]any{"approvals": approvals}, nil
}

func updatePullRequestApprovalState(s *State, in map[string]any) (map[string]any, *Fault) {
	p, fault := s.pull(in)
	if fault != nil {
		return nil, fault
	}
	revision, approve := text(in, "revisionId"), text(in, "approvalState") == "APPROVE"
	switch {
	case len(revision) != 64:
		return nil, &Fault{Code: "InvalidRevisionIdException", Message: "the revision id is not valid"}
	case p.Closed:
		return nil, &Fault{Code: "PullRequestAlreadyClosedException", Message: "it is closed"}
	case revision != p.Revision:
		return nil, &Fault{Code: "RevisionNotCurrentException", Message: "the revision is not the current one"}
	case approve && s.mine(p.Author):
		return nil, &Fault{Code: "PullRequestCannotBeApprovedByAuthorException", Message: "you are its author"}
	}
	if approve {
		p.Approvals[revision+" "+s.caller] = "APPROVE"
		return nil, nil
	}
	for by := range p.Approvals {
		if arn, ok := strings.CutPrefix(by, revision+" "); ok && s.mine(arn) {
			delete(p.Approvals, by)
		}
	}
	return nil, nil
}

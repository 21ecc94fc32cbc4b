package awstest

import (
	"fmt"
	"unicode/utf8"
)

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

package awstest

import (
	"maps"
	"strings"
)

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
	approvals, shows := []any{}, p.Approvals
	if p.unseen > 0 {
		p.unseen--
		shows = p.was
	}
	for by := range shows {
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
	p.was, p.unseen = maps.Clone(p.Approvals), s.Lag
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

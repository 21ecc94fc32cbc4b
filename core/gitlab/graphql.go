package gitlab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// What the REST API cannot do: to tell the variables that a manual job was played with, and to start such a job again with
// other ones. A retry by REST gives it the old ones.
const (
	showVariables = `query($project: ID!, $id: JobID!) { project(fullPath: $project) { job(id: $id) { manualVariables { nodes { key value } } } } }`
	retryWith     = `mutation($id: CiProcessableID!, $variables: [CiVariableInput!]) { jobRetry(input: {id: $id, variables: $variables}) { job { id } errors } }`
)

type pair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func globalID(job int) string { return fmt.Sprintf("gid://gitlab/Ci::Build/%d", job) }

// JobVariables are those that a manual job was played with.
func (c *Client) JobVariables(ctx context.Context, job int) (map[string]string, error) {
	var answer struct {
		Project *struct {
			Job *struct {
				ManualVariables *struct{ Nodes []pair }
			}
		}
	}
	if err := c.query(ctx, showVariables, map[string]any{"project": c.Project, "id": globalID(job)}, &answer); err != nil {
		return nil, err
	}
	if answer.Project == nil || answer.Project.Job == nil || answer.Project.Job.ManualVariables == nil {
		return nil, &Error{http.StatusNotFound, "404 Not Found"}
	}
	all := make(map[string]string)
	for _, v := range answer.Project.Job.ManualVariables.Nodes {
		all[v.Key] = v.Value
	}
	return all, nil
}

// RetryWith starts a manual job that is over again, as a new job of the same name with these variables.
func (c *Client) RetryWith(ctx context.Context, job int, variables map[string]string) (Job, error) {
	all := []pair{}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		all = append(all, pair{name, variables[name]})
	}
	var answer struct {
		JobRetry *struct {
			Job    *struct{ ID string }
			Errors []string
		}
	}
	if err := c.query(ctx, retryWith, map[string]any{"id": globalID(job), "variables": all}, &answer); err != nil {
		return Job{}, err
	}
	var id int
	switch said := answer.JobRetry; {
	case said != nil && len(said.Errors) > 0:
		return Job{}, &Error{http.StatusForbidden, strings.Join(said.Errors, "; ")}
	case said != nil && said.Job != nil:
		if _, err := fmt.Sscanf(said.Job.ID, "gid://gitlab/Ci::Build/%d", &id); err != nil {
			return Job{}, fmt.Errorf("GitLab names the new job %q: %w", said.Job.ID, err)
		}
	}
	if id == 0 {
		return Job{}, errors.New("GitLab does not say which job it has started")
	}
	return Job{ID: id}, nil
}

// query asks by GraphQL. What GitLab refuses comes with the status 200; it has done nothing then. An error beside data, or
// one of time, leaves open what it has done.
func (c *Client) query(ctx context.Context, text string, variables map[string]any, into any) error {
	body, err := json.Marshal(map[string]any{"query": text, "variables": variables})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.graphql, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("PRIVATE-TOKEN", c.token)
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct {
		Data   json.RawMessage
		Errors []struct{ Message string }
	}
	err = json.NewDecoder(resp.Body).Decode(&answer)
	switch {
	case resp.StatusCode != http.StatusOK:
		return &Error{resp.StatusCode, http.StatusText(resp.StatusCode)}
	case err != nil:
		return fmt.Errorf("the answer of GitLab is no JSON: %w", err)
	case len(answer.Errors) > 0 && (strings.Contains(answer.Errors[0].Message, "Timeout") || hasData(answer.Data)):
		return errors.New(answer.Errors[0].Message)
	case len(answer.Errors) > 0:
		return &Error{http.StatusForbidden, answer.Errors[0].Message}
	}
	return json.Unmarshal(answer.Data, into)
}

// hasData reports whether any field of an answer is there.
func hasData(data json.RawMessage) bool {
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		return false
	}
	for _, value := range fields {
		if value != nil {
			return true
		}
	}
	return false
}

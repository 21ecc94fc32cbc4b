package core

import "strings"

// DriverJobs is the driver of a plan that leaves the acts on targets to jobs of the CI run that Breakwater works in.
const DriverJobs = "jobs"

// Jobs are the options of [DriverJobs]: how the jobs are named, by which their outcomes are found again.
type Jobs struct {
	Deploy   string `json:"deploy,omitempty" jsonschema_description:"Name of the job that deploys a target, with {target} in its place. Default: deploy ({target}), which on GitLab is deploy: [{target}]."`
	Rollback string `json:"rollback,omitempty" jsonschema_description:"Name of the job that puts the previous version back. Default: rollback ({target}), which on GitLab is rollback: [{target}]."`
}

// Name is the name of the job that carries out an act.
func (j Jobs) Name(a Act) string {
	name := j.Deploy
	if a.Rollback {
		name = j.Rollback
	}
	return strings.ReplaceAll(name, JobTarget, a.Target.Name)
}

// JobTarget stands for the target in the name of a job.
const JobTarget = "{target}"

// DeployedByJobs reports whether jobs of the CI run deploy.
func (p *Plan) DeployedByJobs() bool { return p.Deploy.Driver == DriverJobs }

// RevertedByJobs reports whether jobs of the CI run put the previous version back.
func (p *Plan) RevertedByJobs() bool { return p.Rollback.Driver == "" && p.DeployedByJobs() }

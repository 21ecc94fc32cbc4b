package core

// State is where a rollout stands. Each has a sentence in [State.Meaning] and a row in the state machine's table.
type State string

// The states of a rollout.
const (
	StatePending        State = "pending"
	StateDeploying      State = "deploying"
	StateBaking         State = "baking"
	StateHalted         State = "halted"
	StateRollingBack    State = "rolling-back"
	StateRolledBack     State = "rolled-back"
	StateRollbackFailed State = "rollback-failed"
	StateAborted        State = "aborted"
	StateSucceeded      State = "succeeded"
)

// States lists every state of a rollout.
var States = []State{
	StatePending, StateDeploying, StateBaking, StateHalted, StateRollingBack, StateRolledBack, StateRollbackFailed,
	StateAborted, StateSucceeded,
}

// Meaning says in one sentence what a state means.
func (s State) Meaning() string {
	switch s {
	case StatePending:
		return "The rollout exists; no target has been touched."
	case StateDeploying:
		return "A wave is being deployed."
	case StateBaking:
		return "A wave is out and must stay healthy before the next may start."
	case StateHalted:
		return "Nothing more is done until someone runs it again; what is out stays out."
	case StateRollingBack:
		return "The previous version is being put back."
	case StateRolledBack:
		return "The previous version is back on every target in scope."
	case StateRollbackFailed:
		return "Some targets in scope did not go back; a re-run tries them again."
	case StateAborted:
		return "Someone ended the rollout; what is out stays out."
	case StateSucceeded:
		return "Every wave is out and has passed its bake."
	default:
		return "No such state."
	}
}

// Over reports whether a rollout in this state is finished for good: the line is free for the next.
func (s State) Over() bool {
	return s == StateRolledBack || s == StateAborted || s == StateSucceeded
}

// Resting reports whether nothing happens in this state until someone runs the rollout again.
func (s State) Resting() bool {
	return s.Over() || s == StateHalted || s == StateRollbackFailed
}

// ExitCode is the exit code of a command that leaves a rollout in this state.
func (s State) ExitCode() int {
	switch s {
	case StateSucceeded, StateBaking:
		return ExitDone
	case StateHalted, StateAborted:
		return ExitHalted
	case StateRolledBack:
		return ExitRolledBack
	case StateRollbackFailed, StateRollingBack:
		return ExitRollbackIncomplete
	default:
		return ExitUnexpected
	}
}

// The exit codes of every command.
const (
	ExitDone               = 0 // done, or parked
	ExitUnexpected         = 1
	ExitUsage              = 2 // plan or usage wrong
	ExitBlocked            = 3 // line busy, gate closed, window shut, requirement red
	ExitHalted             = 4
	ExitRolledBack         = 5
	ExitRollbackIncomplete = 6
)

// TargetState is where one target of a rollout stands.
type TargetState string

// The states of a target.
const (
	TargetPending        TargetState = "pending"
	TargetDeploying      TargetState = "deploying"
	TargetDeployed       TargetState = "deployed"
	TargetFailed         TargetState = "failed"
	TargetRollingBack    TargetState = "rolling-back"
	TargetRolledBack     TargetState = "rolled-back"
	TargetRollbackFailed TargetState = "rollback-failed"
)

// WaveState is where one wave of a rollout stands.
type WaveState string

// The states of a wave.
const (
	WavePending        WaveState = "pending"
	WaveDeploying      WaveState = "deploying"
	WaveBaking         WaveState = "baking"
	WavePassed         WaveState = "passed"
	WaveHalted         WaveState = "halted"
	WaveRollingBack    WaveState = "rolling-back"
	WaveRolledBack     WaveState = "rolled-back"
	WaveRollbackFailed WaveState = "rollback-failed"
)

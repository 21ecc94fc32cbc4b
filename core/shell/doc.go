// Package shell runs the commands that users write into their plans: deploys, rollbacks, checks, the version that a
// target runs, lists of targets.
//
// A command is a script for sh -eu, or for bash -eu -o pipefail if the plan asks for it. It runs in the folder of the
// plan, reads nothing, and leads a process group of its own. Values reach it as environment, see [Vars]; nothing is
// ever pasted into the script.
//
// When its context ends or its time is up, the whole group gets SIGTERM and, after [Runner.Grace], SIGKILL. A command
// that ends by itself, well or not, is left alone: what it put into the background lives on. Such a process should
// send its output elsewhere, for nobody reads it once the command has ended.
package shell

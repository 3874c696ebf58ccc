//! The commands: one file each, whose doc comment is its manual.

mod add;
mod cache;
mod check_ignore;
mod checkout;
mod commit;
mod completion;
mod completions;
mod config;
mod dag;
mod data;
pub(crate) mod demo;
mod deploy;
mod destroy;
mod diff;
mod diff_rows;
mod du;
mod elsewhere;
mod env;
mod exp;
mod export;
mod freeze;
mod fsck;
mod gc;
mod get;
mod get_url;
mod git_hook;
mod import;
mod import_url;
mod init;
mod install;
mod list;
mod list_url;
mod man;
mod metrics;
mod model;
mod move_data;
mod params;
mod queue;
mod remote;
mod remove;
mod repro;
mod retrain;
mod rollback;
mod root;
mod runs;
mod stage;
mod status;
mod transfer;
mod unprotect;
mod up;
mod update;
mod verify;
mod version;
mod why;

use clap::Subcommand;

pub(crate) use config::ConfigArgs;

use crate::exit::{CommandError, ExitStatus};
use crate::printer::Printer;
use crate::settings::Settings;

/// Every command, in the order of a project's life.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::DemoArgs),
    Init(init::InitArgs),
    Add(add::AddArgs),
    Checkout(checkout::CheckoutArgs),
    Commit(commit::CommitArgs),
    Diff(diff::DiffArgs),
    Push(transfer::push::PushArgs),
    Pull(transfer::pull::PullArgs),
    Fetch(transfer::fetch::FetchArgs),
    Export(export::ExportArgs),
    Import(import::ImportArgs),
    ImportUrl(import_url::ImportUrlArgs),
    Update(update::UpdateArgs),
    Get(get::GetArgs),
    GetUrl(get_url::GetUrlArgs),
    Data(data::DataArgs),
    Remove(remove::RemoveArgs),
    Move(move_data::MoveArgs),
    Freeze(freeze::FreezeArgs),
    Unfreeze(freeze::UnfreezeArgs),
    Unprotect(unprotect::UnprotectArgs),
    List(list::ListArgs),
    ListUrl(list_url::ListUrlArgs),
    Du(du::DuArgs),
    CheckIgnore(check_ignore::CheckIgnoreArgs),
    Gc(gc::GcArgs),
    Fsck(fsck::FsckArgs),
    Remote(remote::RemoteArgs),
    Config(ConfigArgs),
    Cache(cache::CacheArgs),
    Install(install::InstallArgs),
    Root(root::RootArgs),
    Version(version::VersionArgs),
    Destroy(destroy::DestroyArgs),
    Stage(stage::StageArgs),
    Dag(dag::DagArgs),
    Repro(repro::ReproArgs),
    Env(env::EnvArgs),
    Verify(verify::VerifyArgs),
    #[command(visible_alias = "experiments")]
    Exp(exp::ExpArgs),
    Queue(queue::QueueArgs),
    Status(status::StatusArgs),
    Params(params::ParamsArgs),
    Metrics(metrics::MetricsArgs),
    Model(model::ModelArgs),
    Runs(runs::RunsArgs),
    Retrain(retrain::RetrainArgs),
    Up(up::UpArgs),
    Deploy(deploy::DeployArgs),
    Rollback(rollback::RollbackArgs),
    Why(why::WhyArgs),
    Completions(completions::CompletionsArgs),
    #[command(hide = true)]
    Completion(completion::CompletionArgs),
    #[command(hide = true)]
    GitHook(git_hook::GitHookArgs),
    #[command(hide = true)]
    Man(man::ManArgs),
}

pub(crate) fn run(
    command: Command,
    settings: &Settings,
    printer: &Printer,
) -> Result<ExitStatus, CommandError> {
    match command {
        Command::Demo(args) => demo::run(args, settings, printer),
        Command::Init(args) => init::run(args, settings, printer),
        Command::Add(args) => add::run(args, settings, printer),
        Command::Checkout(args) => checkout::run(&args, settings, printer),
        Command::Commit(args) => commit::run(args, settings, printer),
        Command::Diff(args) => diff::run(args, settings, printer),
        Command::Push(args) => transfer::push::run(&args, settings, printer),
        Command::Pull(args) => transfer::pull::run(&args, settings, printer),
        Command::Fetch(args) => transfer::fetch::run(&args, settings, printer),
        Command::Export(args) => export::run(args, settings, printer),
        Command::Import(args) => import::run(args, settings, printer),
        Command::ImportUrl(args) => import_url::run(args, settings, printer),
        Command::Update(args) => update::run(args, settings, printer),
        Command::Get(args) => get::run(args, settings, printer),
        Command::GetUrl(args) => get_url::run(args, settings, printer),
        Command::Data(args) => data::run(args, settings, printer),
        Command::Remove(args) => remove::run(args, settings, printer),
        Command::Move(args) => move_data::run(args, settings, printer),
        Command::Freeze(args) => freeze::run(args, settings, printer),
        Command::Unfreeze(args) => freeze::run_unfreeze(args, settings, printer),
        Command::Unprotect(args) => unprotect::run(args, settings, printer),
        Command::Remote(args) => {
            remote::run(args, settings, printer).map_err(CommandError::of_settings)
        }
        Command::Cache(args) => cache::run(args, settings, printer),
        Command::Config(args) => {
            config::run(args, settings, printer).map_err(CommandError::of_settings)
        }
        Command::GitHook(args) => git_hook::run(args, settings, printer),
        Command::Root(args) => root::run(args, settings, printer),
        Command::Version(args) => Ok(version::run(args, settings, printer)),
        Command::Gc(args) => gc::run(&args, settings, printer),
        Command::Fsck(args) => fsck::run(args, settings, printer),
        Command::Install(args) => install::run(args, settings, printer),
        Command::Destroy(args) => destroy::run(args, settings, printer),
        Command::List(args) => list::run(&args, settings, printer),
        Command::ListUrl(args) => list_url::run(args, settings, printer),
        Command::Du(args) => du::run(&args, settings, printer),
        Command::CheckIgnore(args) => check_ignore::run(&args, settings, printer),
        Command::Stage(args) => stage::run(args, settings, printer),
        Command::Dag(args) => dag::run(args, settings, printer),
        Command::Repro(args) => repro::run(args, settings, printer),
        Command::Env(args) => env::run(args, settings, printer),
        Command::Verify(args) => verify::run(args, settings, printer),
        Command::Exp(args) => exp::run(args, settings, printer),
        Command::Queue(args) => queue::run(args, settings, printer),
        Command::Status(args) => status::run(&args, settings, printer),
        Command::Params(args) => params::run(args, settings, printer),
        Command::Metrics(args) => metrics::run(args, settings, printer),
        Command::Model(args) => model::run(args, settings, printer),
        Command::Runs(args) => runs::run(args, settings, printer),
        Command::Retrain(args) => retrain::run(args, settings, printer),
        Command::Up(args) => up::run(args, settings, printer),
        Command::Deploy(args) => deploy::run(args, settings, printer),
        Command::Rollback(args) => rollback::run(args, settings, printer),
        Command::Why(args) => why::run(args, settings, printer),
        Command::Completion(args) => Ok(completion::run(args, printer)),
        Command::Completions(args) => Ok(completions::run(args, printer)),
        Command::Man(args) => man::run(args, settings, printer),
    }
}

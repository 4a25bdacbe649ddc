# Creates the environment of this project and installs the pinned packages and the runtime.
# Run it again after setup/ has changed.
# powershell -ExecutionPolicy Bypass -File setup\setup.ps1 [-Python C:\path\python.exe]
param([string]$Python = "")
$ErrorActionPreference = "Stop"
Set-Location (Join-Path $PSScriptRoot "..")

function Test-Fits([string]$Name) {
    if (-not (Get-Command $Name -ErrorAction SilentlyContinue)) { return $false }
    # PowerShell 5.1 stops at what a program writes to stderr once that is redirected.
    $ErrorActionPreference = "Continue"
    & $Name -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))" 2>$null | Out-Null
    return $LASTEXITCODE -eq 0
}

# py is the launcher that python.org's installer puts on the path; it knows every version.
function Find-WithLauncher {
    if (-not (Get-Command "py" -ErrorAction SilentlyContinue)) { return "" }
    $ErrorActionPreference = "Continue"
    foreach ($version in @("-3.13", "-3.12", "-3.11")) {
        $path = & py $version -c "import sys; print(sys.executable)" 2>$null
        if ($LASTEXITCODE -eq 0 -and $path) { return "$path".Trim() }
    }
    return ""
}

if (-not $Python) { $Python = Find-WithLauncher }
if (-not $Python) {
    foreach ($name in @("python3.13", "python3.12", "python3.11", "python", "python3")) {
        if (Test-Fits $name) { $Python = $name; break }
    }
}
if (-not $Python -or -not (Test-Fits $Python)) {
    [Console]::Error.WriteLine("error: Python 3.11, 3.12 or 3.13 is required; name it with -Python")
    exit 2
}

$wheel = Get-ChildItem "setup\phi3scaffold-*.whl" -ErrorAction SilentlyContinue | Select-Object -Last 1
if (-not $wheel) {
    [Console]::Error.WriteLine("error: the runtime's wheel is missing from setup\")
    [Console]::Error.WriteLine("  (that of a demonstration project is not in git; phi3scaffold update restores it)")
    exit 2
}

function New-Environment([string]$Folder, [string]$Requirements) {
    Write-Output "Creating $Folder with the packages of $Requirements"
    & $Python -m venv $Folder
    if ($LASTEXITCODE -ne 0) { exit 1 }
    # pip shows the progress of gigabytes, but only without --quiet.
    & "$Folder\Scripts\python.exe" -m pip install --disable-pip-version-check -r $Requirements
    if ($LASTEXITCODE -ne 0) { exit 1 }
    & "$Folder\Scripts\python.exe" -m pip install --quiet --disable-pip-version-check --no-deps $wheel.FullName
    if ($LASTEXITCODE -ne 0) { exit 1 }
}

New-Environment ".venv" "setup\requirements.txt"
Write-Output "Done. README.md describes the next steps."

# Creates the environment of this project and installs the pinned packages and the runtime.
# Run it again after setup/ has changed.
# powershell -ExecutionPolicy Bypass -File setup\setup.ps1 [-Python C:\path\python.exe]
param([string]$Python = "")
$ErrorActionPreference = "Stop"
Set-Location (Join-Path $PSScriptRoot "..")

function Test-Fits([string]$Name) {
    if (-not (Get-Command $Name -ErrorAction SilentlyContinue)) { return $false }
    & $Name -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))" 2>$null
    return $LASTEXITCODE -eq 0
}

if (-not $Python) {
    foreach ($name in @("python3.11", "python3.12", "python3.13", "python", "python3")) {
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
    $pip = @("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    & "$Folder\Scripts\python.exe" @pip -r $Requirements
    if ($LASTEXITCODE -ne 0) { exit 1 }
    & "$Folder\Scripts\python.exe" @pip --no-deps $wheel.FullName
    if ($LASTEXITCODE -ne 0) { exit 1 }
}

New-Environment ".venv" "setup\requirements.txt"
Write-Output "Done. README.md describes the next steps."
